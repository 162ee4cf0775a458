# shellcheck shell=bash
# Sourced by scripts/demo and scripts/test: where Python is, and what is installed for this checkout.
# The caller stands in the folder of the checkout.

say() { printf '\n== %s\n' "$*" >&2; }
die() {
    printf '%s\n' "$@" >&2
    exit 1
}

# install_packages NAME...: by apt-get, where we may; what it does not bring is noticed by the caller.
install_packages() {
    [[ $(id -u) == 0 && -n $(command -v apt-get) ]] || return 0
    say "Installing $*"
    {
        apt-get update --quiet --quiet
        DEBIAN_FRONTEND=noninteractive apt-get install --quiet --quiet --yes --no-install-recommends "$@"
    } </dev/null >/dev/null || true
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
    return 1
}

# make_environment: an empty .venv, with the oldest Python here that will do.
make_environment() {
    local python
    find_python >/dev/null || install_packages python3 python3-venv
    python=$(find_python) || die "Python 3.11 or newer is needed, and none was found."
    say "Making .venv with $("$python" --version)"
    # Debian's own Python has its venv module in a package apart.
    "$python" -m venv .venv 2>/dev/null || { rm -rf .venv && install_packages python3-venv; }
    [[ -x .venv/bin/pip ]] || "$python" -m venv .venv ||
        die "Python cannot make a virtual environment (on Debian: apt-get install python3-venv)."
}

# stamp_of FILE...: what must not change for an installation to be still good.
stamp_of() { cat "$@" | sha256sum | cut -d' ' -f1; }

# install_locked NAME: make .venv hold what requirements/NAME.txt pins, and this checkout. Done once for each
# state of these files; later calls return at once.
install_locked() {
    local lock="requirements/$1.txt" stamp=".venv/.installed-$1" wanted
    wanted=$(stamp_of "$lock" pyproject.toml)
    if [[ -x .venv/bin/python && $(cat "$stamp" 2>/dev/null) == "$wanted" ]]; then return; fi
    [[ -x .venv/bin/python ]] || make_environment
    say "Installing $lock, pinned by hash"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r "$lock"
    # What builds the package is in the lock too, so nothing unpinned is fetched here.
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
    printf '%s' "$wanted" >"$stamp"
}
