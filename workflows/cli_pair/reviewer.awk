# Stands in for an agent CLI that reviews: reads the prompt, prints its verdict in the envelope of `claude -p
# --output-format json`. It judges the form of a message alone, by the rules that are common for commits.

function quoted(text) {
  gsub(/\\/, "&&", text)
  gsub(/"/, "\\\"", text)
  gsub(/\n/, "\\n", text)
  gsub(/[[:cntrl:]]/, " ", text)
  return "\"" text "\""
}
function remark(text) { remarks = remarks (remarks == "" ? "" : ", ") quoted(text) }

{ words += NF }
/^<message>$/ { inside = 1; next }
/^<\/message>$/ { inside = 0; next }
inside { line[++lines] = $0 }

END {
  if (length(line[1]) > 50) remark("the first line has " length(line[1]) " characters; no more than 50 are shown everywhere")
  if (line[1] ~ /[.]$/) remark("the first line ends with a full stop")
  if (line[1] ~ /^[A-Za-z]+ed /) remark("the first line tells what was done; say what it does: Change, not Changed")
  if (lines < 3) remark("there is no body: say what changes")
  else if (line[2] != "") remark("the second line is not empty")
  verdict = "{\"approved\": " (remarks == "" ? "true" : "false") ", \"remarks\": [" remarks "]}"
  printf "{\"type\": \"result\", \"subtype\": \"success\", \"is_error\": false, \"result\": %s, \"total_cost_usd\": 0,", quoted(verdict)
  printf " \"usage\": {\"input_tokens\": %d, \"output_tokens\": %d}}\n", words, split(verdict, _, " ")
}
