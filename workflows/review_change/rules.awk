# What a rule can find in a unified diff. One finding a line: `file:line: what`. Set `kind` to style, security or tests.

/^\+\+\+ / { file = substr($2, 3); if (file ~ /test/) tested = 1; else if (file ~ /\.(py|js|ts|go|rb|java|c|cc|rs)$/) code = code " " file; next }
/^--- /    { next }
/^@@ /     { split($3, place, ","); line = substr(place[1], 2) - 1; next }
/^[+ ]/    { line++ }
!/^\+/     { next }

kind == "style" && length > 121                { say("longer than 120 characters") }
kind == "style" && /[ \t]$/                    { say("white space at the end") }
kind == "style" && /TODO|FIXME/                { say("something is left to do") }

kind == "security" && /verify *= *False/                             { say("the certificate is not verified") }
kind == "security" && /(SELECT|INSERT|UPDATE|DELETE) .*(\{|%s.* % |\+ *[a-z])/ { say("SQL is put together from text") }
kind == "security" && /shell *= *True|os\.system|eval\(|exec\(/      { say("text is run as a command") }
kind == "security" && /(password|secret|token) *= *["']/             { say("a secret stands in the code") }

END { if (kind == "tests" && code != "" && !tested) print "no test is changed with" code }

function say(what) { print file ":" line ": " what }
