"""What the clock on the wall says, minute by minute, by Python's zoneinfo.

wall_clock.py ZONE YEAR, then on each line of standard input a window: DAYS FROM TO, days as a
string of digits (0 is Monday), minutes of the day, TO beyond 1440 for a night. For each window one
line: the minutes since 1970 at which being within it begins or ends in that year, and whether it
was within at the beginning.
"""

import sys
from datetime import datetime, timezone
from zoneinfo import ZoneInfo

zone, year = ZoneInfo(sys.argv[1]), int(sys.argv[2])
first = int(datetime(year, 1, 1, tzinfo=timezone.utc).timestamp()) // 60
last = int(datetime(year + 1, 1, 1, tzinfo=timezone.utc).timestamp()) // 60
wall = []
for minute in range(first, last):
    now = datetime.fromtimestamp(minute * 60, zone)
    wall.append((now.weekday(), now.hour * 60 + now.minute))
for line in sys.stdin:
    days, begin, end = line.split()
    begin, end = int(begin), int(end)
    on = [str(day) in days for day in range(7)]

    def within(day, minute):
        return (on[day] and begin <= minute < end) or (
            on[day - 1] and minute + 1440 < end and end > 1440
        )

    before = within(*wall[0])
    changes = [str(int(before))]
    for number, moment in enumerate(wall):
        now = within(*moment)
        if now != before:
            changes.append(str(first + number))
            before = now
    print(" ".join(changes))
