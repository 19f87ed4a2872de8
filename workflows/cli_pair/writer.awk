# Stands in for an agent CLI that writes: reads the prompt, prints an answer in the envelope of `claude -p --output-format
# json`. The message says no more than can be counted in the diff; the first one is too long, and without a body.

function quoted(text) {
  gsub(/\\/, "&&", text)
  gsub(/"/, "\\\"", text)
  gsub(/\n/, "\\n", text)
  gsub(/[[:cntrl:]]/, " ", text)
  return "\"" text "\""
}

{ words += NF }
/^<diff>$/ { diff = 1; next }
/^<\/diff>$/ { diff = 0; next }
/^Mend this:/ && !diff { again = 1 }
diff && /^\+\+\+ / { file = $2; sub(/^b\//, "", file); names = names (files++ ? ", " : "") file; next }
diff && /^--- / { next }
diff && /^\+/ { added++ }
diff && /^-/ { removed++ }

END {
  counts = (added + 0) " added and " (removed + 0) " removed lines"
  if (!again) message = "Changed the code, namely " names ", with " counts " in all of it together."
  else message = "Change " (files == 1 ? names : files " files") "\n\n" counts " in " names "."
  printf "{\"type\": \"result\", \"subtype\": \"success\", \"is_error\": false, \"result\": %s, \"total_cost_usd\": 0,", quoted(message)
  printf " \"usage\": {\"input_tokens\": %d, \"output_tokens\": %d}}\n", words, split(message, _, " ")
}
