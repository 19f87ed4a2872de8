# Stands in for a model that talks. It knows nothing but what was said to it in this conversation, which comes whole on its
# standard input: to a question it repeats the earlier sentence that shares most words with it.

function common(sentence,   score, word) {
  for (word in wanted) if (index(tolower(sentence), word)) score++
  return score + 0
}

# Between the messages of the person stand this program's own answers; each message begins after `You:`.
/^You: / { message[++messages] = substr($0, 6); own = 0; next }
/^Your answer to that was:/ { own = 1 }
messages && !own && NF { message[messages] = message[messages] " " $0 }

END {
  last = message[messages]
  if (last !~ /[?]/) { print "I will remember that."; exit }
  count = split(tolower(last), words, /[^a-z0-9]+/)
  for (i = 1; i <= count; i++) if (length(words[i]) > 2 && words[i] !~ /^(the|and|you|what|when|where|who|does|did|how|are|was)$/) wanted[words[i]]
  for (i = 1; i < messages; i++)
    if (message[i] !~ /[?]/ && common(message[i]) > most) { most = common(message[i]); best = message[i] }
  print most ? "You said: " best : "You have not told me."
}
