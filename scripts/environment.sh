# shellcheck shell=bash
# Sourced by scripts/demo and scripts/test: where Python is, and what is installed for this checkout.
# The caller stands in the folder of the checkout.

say() { printf '\n== %s\n' "$*" >&2; }
die() {
    printf '%s\n' "$@" >&2
    exit 1
}

# find_python: print the program of a Python that is new enough. It is started, not only looked for:
# a version manager may leave a program of that name that does nothing but complain.
find_python() {
    local name
    for name in python3.11 python3.12 python3.13 python3; do
        if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$name"
            return
        fi
    done
    die "Python 3.11 or newer is needed, and none was found."
}

# stamp_of FILE...: what must not change for an installation to be still good.
stamp_of() { cat "$@" | sha256sum | cut -d' ' -f1; }

# install_locked NAME: make .venv hold what requirements/NAME.txt pins, and this checkout. Done once for each
# state of these files; later calls return at once.
install_locked() {
    local lock="requirements/$1.txt" stamp=".venv/.installed-$1" python wanted
    wanted=$(stamp_of "$lock" pyproject.toml)
    if [[ -x .venv/bin/python && $(cat "$stamp" 2>/dev/null) == "$wanted" ]]; then return; fi
    if [[ ! -x .venv/bin/python ]]; then
        python=$(find_python)
        say "Making .venv with $("$python" --version)"
        "$python" -m venv .venv ||
            die "Python cannot make a virtual environment (on Debian: apt-get install python3-venv)."
    fi
    say "Installing $lock, pinned by hash"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r "$lock"
    # What builds the package is in the lock too, so nothing unpinned is fetched here.
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
    printf '%s' "$wanted" >"$stamp"
}
