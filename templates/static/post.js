// Sends the answer on to the client. Plain words, for the oldest of browsers too.
document.getElementById("answer").submit();
