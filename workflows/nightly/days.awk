# Days between dates, for certificates and backups.   awk -v today=2026-05-20 -v most=14 -v kind=certificate -f days.awk
#
# certificate: lines `name 2026-06-30`; prints those that end in less than `most` days.
# backup:      lines with a day in them; prints a word when the newest is more than `most` days old, or there is none.

BEGIN { now = days(today) }
/^#/ || NF == 0 { next }
!match($0, /20[0-9][0-9]-[0-9][0-9]-[0-9][0-9]/) {
  if (kind == "certificate") print "certificates.txt line " NR " has no day"
  next
}
{
  day = substr($0, RSTART, RLENGTH)
  if (kind == "certificate" && days(day) - now < most) {
    left = days(day) - now
    print "the certificate of " $1 (left < 0 ? " ended on " day : " ends in " left " days, on " day)
  }
  if (day > newest && day <= today) newest = day
}
END {
  if (kind == "backup" && newest == "") print "there is no backup"
  else if (kind == "backup" && now - days(newest) > most) print "the newest backup is " now - days(newest) " days old"
}

function days(text,    y, m) {               # since 1 March of the year 0, by the Gregorian calendar
  y = substr(text, 1, 4) + 0; m = substr(text, 6, 2) + 0
  if (m < 3) { y--; m += 12 }
  return 365 * y + int(y / 4) - int(y / 100) + int(y / 400) + int((153 * (m - 3) + 2) / 5) + substr(text, 9, 2)
}
