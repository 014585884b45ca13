"""What DuckDB takes for the measures of a replay, on the same files: `python duckdb_replay.py EVENTS THREADS [narrow]`.

Prints the CPU seconds of the process, the wall time and the number of groups.
"""

import resource
import sys
import time

import duckdb

BY = "principal_arn, action, resource, region, mfa, outcome"
MEASURES = """count(*), min(event_time), max(event_time), count(DISTINCT event_time::DATE),
    count(DISTINCT (access_key_id, session_name, session_created)), min(event_id)"""


def main(events: str, threads: str, narrow: bool) -> None:
    connection = duckdb.connect(config={"threads": int(threads)})
    begun = time.monotonic()
    measures = "count(*)" if narrow else MEASURES
    groups = connection.execute(
        f"SELECT count(*) FROM (SELECT {BY}, {measures} FROM read_parquet(?) GROUP BY ALL)", [f"{events}/*/*.parquet"]
    ).fetchone()[0]
    wall = time.monotonic() - begun
    usage = resource.getrusage(resource.RUSAGE_SELF)
    print(f"cpu {usage.ru_utime + usage.ru_stime:.2f} s, wall {wall:.2f} s, memory {usage.ru_maxrss >> 10} MB, {groups} groups")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], "narrow" in sys.argv[3:])
