#!/usr/bin/env python3
"""Checks a report folder with readers that are not ours: DuckDB, polars and pyarrow.

    check_report.py REPORT [EVENTS] [--self NAME]...

REPORT is what `retrial replay -o` wrote, EVENTS the events dataset that it replayed. `--self NAME` says that the
candidate NAME is the baseline itself: nothing may change for it.

Prints one line for each group of checks, then the counts of the run, then every failure. Exit code 1 if there is one.
Needs the packages of requirements.txt beside this file.
"""

import argparse
import datetime
import json
import re
import stat
import sys
from pathlib import Path

try:
    import duckdb
    import polars
    import pyarrow.parquet
except ImportError as error:
    sys.exit(f"{error}; install what .ci/requirements.txt lists: pip install -r .ci/requirements.txt")

# --- what the files look like -----------------------------------------------------------------------------------------

CHANGES = [
    "lost", "gained", "potentially_lost", "potentially_gained", "unchanged_allowed", "unchanged_denied",
    "unchanged_unknown", "undetermined", "baseline_contradicted",
]
SELF_CHANGES = ["unchanged_allowed", "unchanged_denied", "unchanged_unknown", "baseline_contradicted"]
DECISIONS = ["allowed", "explicit_deny", "implicit_deny", "denied", "undetermined"]
DENIALS = ["explicit_deny", "implicit_deny", "denied"]
OBSERVED = ["success", "access_denied", "other_error"]
CONTRADICTIONS = {
    "success_but_explicit_deny": "success",
    "success_but_implicit_deny": "success",
    "denied_but_allowed": "access_denied",
}
NOT_REPLAYED = [
    "service_event", "sign_in", "unauthenticated", "service_linked_role", "service_principal", "foreign_principal",
    "anonymous", "no_identity", "no_permission_needed", "network_activity",
]
IN_SNAPSHOT = ["yes", "account_missing", "principal_missing", "id_differs"]

# A column is `name` (text) or `name:kind`.
COLUMNS = {
    "changes": """
        change_id candidate change change_from_log contradiction baseline_decision candidate_decision observed
        principal_arn principal_type permission_set account_id resource_account_id action resource region checks:texts
        deciding_action deciding_resource context:texts events:count sessions:count days_seen:count first_seen:time
        last_seen:time session_names:texts sample_event_ids:texts baseline_reason candidate_reason baseline_layer
        baseline_policy baseline_statement:count baseline_sid candidate_layer candidate_policy
        candidate_statement:count candidate_sid candidate_deciding:texts missing_keys:texts residual assumptions:texts
        mapping_source resource_source
    """,
    "decisions": """
        event_id event_time:time account_id candidate change change_id baseline_decision candidate_decision not_replayed
        source_file source_index:count
    """,
    "principals": f"""
        candidate principal_arn principal_type permission_set account_id in_snapshot changed_by_candidate:flag
        events:count {" ".join(f"{change}:count" for change in CHANGES)}
        actions_used:texts actions_lost:texts actions_gained:texts granted_unused:count not_observable:count
        session_names:texts agree:count contradict:count first_seen:time last_seen:time
    """,
    "actions": """
        candidate principal_arn action granted:flag used:flag observable:flag events:count days_seen:count
        first_seen:time last_seen:time rare:flag
    """,
    "statements": "side layer policy statement:count sid file line:count end_line:count text",
    "coverage": """
        account_id region day:day files:count events:count replayed:count skipped:count management:count data:count
    """,
    "skipped": "file index:count reason detail length:count sha256 event_time:time raw",
    "events": """
        event_id request_id shared_event_id addendum_of event_time:time event_version event_type event_category
        event_source event_name region account_id principal_account_id read_only:flag identity_type principal_arn
        principal_id session_name source_identity session_issuer_arn federated_provider assumed_root:flag
        console_session:flag access_key_id issued_access_key_id session_created:time mfa:flag invoked_by source_ip
        vpc_endpoint_id vpc_endpoint_account_id user_agent tls outcome error_code error_message denied_by action
        resource more_checks:checks mapping_source resource_source request_context:context
        request_context_complete:flag not_replayable request_parameters source_file source_index:count
    """,
}
REPORT_TABLES = ["changes", "principals", "actions", "statements", "coverage", "skipped"]
# They come with later versions: read if there, their columns are not checked.
LATER_TABLES = ["tally"]

# Measures and what is derived from other columns; the rest of `changes` is its key.
NOT_KEY_OF_CHANGES = [
    "change_id", "events", "sessions", "days_seen", "first_seen", "last_seen", "session_names", "sample_event_ids",
]
KEYS = {
    "principals": ["candidate", "principal_arn", "principal_type", "permission_set", "account_id"],
    "actions": ["candidate", "principal_arn", "action"],
    "statements": ["side", "layer", "policy", "statement"],
    "coverage": ["account_id", "region", "day"],
    "skipped": ["file", "index"],
}

DUCKDB_TYPES = {
    "text": "VARCHAR",
    "texts": "VARCHAR[]",
    "count": "BIGINT",
    "time": "TIMESTAMP WITH TIME ZONE",
    "day": "DATE",
    "flag": "BOOLEAN",
    "checks": "STRUCT(action VARCHAR, resource VARCHAR, source VARCHAR)[]",
    "context": "MAP(VARCHAR, VARCHAR[])",
}
# None: polars has no type of its own for it; that the file opens is enough.
POLARS_TYPES = {
    "text": polars.String(),
    "texts": polars.List(polars.String()),
    "count": polars.Int64(),
    "time": polars.Datetime("us", "UTC"),
    "day": polars.Date(),
    "flag": polars.Boolean(),
    "checks": polars.List(
        polars.Struct({"action": polars.String(), "resource": polars.String(), "source": polars.String()})
    ),
    "context": None,
}


def columns_of(table):
    """The columns of a table: name to kind, in order."""
    pairs = (column.partition(":") for column in COLUMNS[table].split())
    return {name: kind or "text" for name, _, kind in pairs}


def key_of(table):
    """The key columns of a table in table order."""
    if table == "changes":
        return [name for name in columns_of(table) if name not in NOT_KEY_OF_CHANGES]
    return KEYS[table]


# --- small helpers ----------------------------------------------------------------------------------------------------


class Findings:
    """Collects failures; a group is a line of output."""

    def __init__(self):
        self.failures = []
        self.checks = 0
        self.group_name = None
        self.group_start = (0, 0)

    def group(self, name):
        self.close()
        self.group_name = name
        self.group_start = (self.checks, len(self.failures))

    def close(self):
        if self.group_name is None:
            return
        checks = self.checks - self.group_start[0]
        failed = len(self.failures) - self.group_start[1]
        verdict = f"{failed} of {checks} FAILED" if failed else f"ok ({checks})"
        print(f"{self.group_name}: {verdict}")
        self.group_name = None

    def expect(self, condition, message):
        self.checks += 1
        if not condition:
            self.failures.append(message)
        return bool(condition)

    def equal(self, found, wanted, what):
        return self.expect(found == wanted, f"{what}: {found!r}, expected {wanted!r}")


class Tables:
    """The Parquet files of a run, by table name, queried with DuckDB."""

    def __init__(self, report):
        self.report = report
        self.connection = duckdb.connect(":memory:")

    def path(self, table):
        return self.report / f"{table}.parquet"

    def add(self, table):
        self.connection.execute(f"CREATE VIEW {table} AS SELECT * FROM {parquet(self.path(table))}")

    def rows(self, sql):
        return self.connection.execute(sql).fetchall()

    def value(self, sql):
        return self.rows(sql)[0][0]


def quoted(text):
    return "'" + str(text).replace("'", "''") + "'"


def parquet(path):
    return f"read_parquet({quoted(path)}, hive_partitioning = false)"


def listed(names):
    return ", ".join(quoted(name) for name in names)


def some(rows, most=3):
    """The first few of many, for a message."""
    rows = [row[0] if isinstance(row, tuple) and len(row) == 1 else row for row in rows]
    more = f" and {len(rows) - most} more" if len(rows) > most else ""
    return ", ".join(str(row) for row in rows[:most]) + more


def none_of(findings, tables, what, sql):
    """Expects that a query finds no row."""
    rows = tables.rows(sql)
    findings.expect(not rows, f"{what}: {some(rows)}")


# --- every file -------------------------------------------------------------------------------------------------------


def check_file(findings, tables, table, path, exact=True):
    """One Parquet file: it opens in three readers, with the same rows, the right columns, metadata and compression."""
    where = path.name if table != "events" else f"{path.parent.name}/{path.name}"
    try:
        described = tables.rows(f"DESCRIBE SELECT * FROM {parquet(path)}")
        rows = tables.value(f"SELECT count(*) FROM {parquet(path)}")
    except duckdb.Error as error:
        findings.expect(False, f"{where}: DuckDB cannot read it: {error}")
        return False
    try:
        frame = polars.read_parquet(path, hive_partitioning=False)
        findings.equal(frame.height, rows, f"{where}: rows in polars against DuckDB")
    except Exception as error:  # polars raises many kinds
        findings.expect(False, f"{where}: polars cannot read it: {error}")
        return False
    try:
        findings.equal(pyarrow.parquet.ParquetFile(path).read().num_rows, rows, f"{where}: rows in pyarrow against DuckDB")
    except Exception as error:  # as above
        findings.expect(False, f"{where}: pyarrow cannot read it: {error}")

    if table in COLUMNS:
        check_columns(findings, where, table, {row[0]: row[1] for row in described}, dict(frame.schema), exact)
    check_storage(findings, tables, where, path)
    return True


def check_columns(findings, where, table, in_duckdb, in_polars, exact):
    wanted = columns_of(table)
    if exact:
        findings.equal(list(in_duckdb), list(wanted), f"{where}: columns")
    for name, kind in wanted.items():
        if not findings.expect(name in in_duckdb, f"{where}: column `{name}` is missing"):
            continue
        # Some versions of DuckDB put the names inside a STRUCT in quotes.
        findings.equal(in_duckdb[name].replace('"', ""), DUCKDB_TYPES[kind], f"{where}: type of `{name}` in DuckDB")
        if POLARS_TYPES[kind] is not None:
            findings.equal(in_polars[name], POLARS_TYPES[kind], f"{where}: type of `{name}` in polars")


def check_storage(findings, tables, where, path):
    metadata = tables.rows(f"SELECT decode(key), decode(value) FROM parquet_kv_metadata({quoted(path)})")
    findings.equal(sorted(key for key, _ in metadata), ["retrial.schema", "retrial.version"], f"{where}: key-value metadata")
    findings.expect(all(value for _, value in metadata), f"{where}: key-value metadata without a value: {metadata}")
    compression = tables.rows(f"SELECT DISTINCT compression FROM parquet_metadata({quoted(path)}) WHERE compression IS NOT NULL")
    findings.expect({row[0] for row in compression} <= {"ZSTD"}, f"{where}: compression {some(compression)}, expected ZSTD")


def check_files(findings, tables):
    findings.group("files: DuckDB, polars and pyarrow read them, columns and types")
    whole = True
    for table in REPORT_TABLES:
        path = tables.path(table)
        if not findings.expect(path.is_file(), f"{path.name} is missing"):
            whole = False
            continue
        if check_file(findings, tables, table, path):
            tables.add(table)
        else:
            whole = False
    # Written with --decisions.
    for table in [*LATER_TABLES, "decisions"]:
        if tables.path(table).is_file():
            check_file(findings, tables, table, tables.path(table))
    for name in ("report.md", "report.html"):
        path = tables.report / name
        if name == "report.md" or path.exists():
            findings.expect(path.is_file() and path.stat().st_size > 0, f"{name} is missing or empty")
    return whole


def has_columns(tables):
    """Whether every table has at least the columns that it should have."""
    names = {table: {row[0] for row in tables.rows(f"DESCRIBE {table}")} for table in REPORT_TABLES}
    return all(names[table] >= set(columns_of(table)) for table in REPORT_TABLES)


# --- order and identity -----------------------------------------------------------------------------------------------


def sort_key(value, nulls_first):
    """A value that Python orders as bytes are ordered, null before or after everything else."""
    if value is None:
        return (0 if nulls_first else 2,)
    if isinstance(value, str):
        return (1, value.encode())
    if isinstance(value, list):
        return (1, [sort_key(item, nulls_first) for item in value])
    return (1, value)


def first_disorder(rows, nulls_first):
    """The index of the first row that is smaller than the one before it."""
    before = None
    for index, row in enumerate(rows):
        key = [sort_key(value, nulls_first) for value in row]
        if before is not None and key < before:
            return index
        before = key
    return None


def check_coverage_order(findings, tables):
    """In SQL, since a long window of many accounts and regions has millions of rows, most of them gaps. Nulls first."""
    key = "(coalesce(account_id, ''), coalesce(region, ''), coalesce(\"day\", DATE '0001-01-01'))"
    source = f"read_parquet({quoted(tables.path('coverage'))}, hive_partitioning = false, file_row_number = true)"
    keys = f"SELECT {key} AS key, lag({key}) OVER (ORDER BY file_row_number) AS before FROM {source}"
    findings.equal(tables.value(f"SELECT count(*) FROM ({keys}) WHERE before >= key"), 0, "coverage.parquet: rows that do not stand after the one before")


def check_order(findings, tables):
    findings.group("order: rows sorted by their key, keys and change ids unique")
    for table in REPORT_TABLES:
        if table == "coverage":
            check_coverage_order(findings, tables)
            continue
        key = key_of(table)
        names = ", ".join(f'"{name}"' for name in key)
        rows = tables.rows(f"SELECT {names} FROM {parquet(tables.path(table))}")
        # Nulls stand first or last, but everywhere alike.
        places = [first_disorder(rows, nulls_first) for nulls_first in (True, False)]
        if None not in places:
            index = max(places)
            differs = next(i for i, (a, b) in enumerate(zip(rows[index - 1], rows[index])) if a != b)
            findings.expect(False, f"{table}.parquet: row {index} stands after a larger one: `{key[differs]}` {rows[index - 1][differs]!r} before {rows[index][differs]!r}")
        else:
            findings.expect(True, "")
        if table == "changes":
            twice = len(rows) - len({repr(row) for row in rows})
            findings.equal(twice, 0, f"{table}.parquet: rows that have the key of another row")
    none_of(findings, tables, "changes.parquet: change_id stands twice", "SELECT change_id FROM changes GROUP BY 1 HAVING count(*) > 1")
    none_of(
        findings, tables, "changes.parquet: change_id is not 16 hex digits",
        "SELECT change_id FROM changes WHERE change_id IS NULL OR NOT regexp_full_match(change_id, '[0-9a-f]{16}')",
    )


# --- the sums ---------------------------------------------------------------------------------------------------------


def read_manifest(findings, report):
    findings.group("manifest: counts add up")
    path = report / "manifest.json"
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        findings.expect(False, f"manifest.json cannot be read: {error}")
        return None
    counts = manifest.get("counts")
    if not findings.expect(isinstance(counts, dict), "manifest.json: `counts` is missing"):
        return None
    names = ["records", "duplicates", "filtered", "skipped", "id_conflicts", "events", "replayed"]
    present = True
    for name in names:
        value = counts.get(name)
        is_count = isinstance(value, int) and not isinstance(value, bool) and value >= 0
        present &= findings.expect(is_count, f"manifest.json: counts.{name} is {value!r}, expected a count")
    not_replayed = counts.get("not_replayed")
    present &= findings.expect(isinstance(not_replayed, dict), "manifest.json: counts.not_replayed is no object")
    if not present:
        return None
    kept = counts["duplicates"] + counts["filtered"] + counts["skipped"] + counts["events"]
    findings.equal(kept, counts["records"], "duplicates + filtered + skipped + events against counts.records")
    findings.equal(counts["replayed"] + sum(not_replayed.values()), counts["events"], "replayed + sum(not_replayed) against counts.events")
    unknown = sorted(set(not_replayed) - set(NOT_REPLAYED))
    findings.expect(not unknown, f"manifest.json: reasons of not_replayed that nobody knows: {some(unknown)}")
    return manifest


def check_sums(findings, tables, counts):
    findings.group("sums: changes, coverage and skipped against the manifest")
    frame = polars.read_parquet(tables.path("changes"))
    by_duckdb = dict(tables.rows("SELECT candidate, sum(events)::BIGINT FROM changes GROUP BY 1"))
    by_polars = dict(frame.group_by("candidate").agg(polars.col("events").sum()).iter_rows())
    findings.equal(by_polars, by_duckdb, "sum(events) by candidate in polars against DuckDB")
    candidates = {row[0] for row in tables.rows("SELECT DISTINCT candidate FROM principals")} | set(by_duckdb)
    findings.expect(candidates or counts["replayed"] == 0, "no row names a candidate")
    for candidate in sorted(candidates, key=str):
        findings.equal(by_duckdb.get(candidate, 0), counts["replayed"], f"sum(events) of changes.parquet of `{candidate}` against counts.replayed")
    for name in ("events", "replayed", "skipped"):
        total = tables.value(f"SELECT coalesce(sum({name}), 0)::BIGINT FROM coverage")
        findings.equal(total, counts[name], f"sum({name}) of coverage.parquet against counts.{name}")
    none_of(
        findings, tables, "coverage.parquet: more replayed than events",
        "SELECT account_id, region, day FROM coverage WHERE replayed > events",
    )
    findings.equal(tables.value("SELECT count(*) FROM skipped"), counts["skipped"], "rows of skipped.parquet against counts.skipped")
    none_of(findings, tables, "skipped.parquet: row without file or reason", "SELECT * FROM skipped WHERE file IS NULL OR reason IS NULL")


def check_agreement(findings, tables, manifest):
    findings.group("agreement")
    findings.expect("agreement" in manifest, "manifest.json: `agreement` is missing")
    agreement = manifest.get("agreement")
    if agreement is None:
        # Without a policy baseline the log is the baseline, and cannot contradict itself.
        none_of(
            findings, tables, "agreement is null, and yet there are contradicted rows",
            "SELECT change_id FROM changes WHERE change = 'baseline_contradicted' OR contradiction IS NOT NULL",
        )
        return
    parts = [agreement.get(name) for name in ("agree", "explained_by_opaque", "open", "contradict")]
    if not findings.expect(all(isinstance(part, int) for part in parts), f"agreement is incomplete: {agreement}"):
        return
    findings.equal(sum(parts), agreement.get("events"), "agree + explained_by_opaque + open + contradict against agreement.events")
    rows = tables.rows(
        "SELECT candidate, sum(events) FILTER (observed IN ('success', 'access_denied'))::BIGINT FROM changes GROUP BY 1"
    )
    for candidate, events in rows:
        findings.equal(events or 0, agreement.get("events"), f"successes and denials of `{candidate}` against agreement.events")


def check_principals(findings, tables):
    findings.group("principals: their counts are those of the changes")
    in_changes = {}
    for candidate, principal, change, events in tables.rows(
        "SELECT candidate, principal_arn, change, sum(events)::BIGINT FROM changes GROUP BY ALL"
    ):
        in_changes[(candidate, principal, change)] = events
    in_principals = {}
    sums = ", ".join(f"coalesce(sum({change}), 0)::BIGINT" for change in CHANGES)
    for candidate, principal, *events in tables.rows(f"SELECT candidate, principal_arn, {sums} FROM principals GROUP BY ALL"):
        for change, count in zip(CHANGES, events):
            if count:
                in_principals[(candidate, principal, change)] = count
    by_class = [total_by_class(counts) for counts in (in_principals, in_changes)]
    for key in sorted(set(by_class[0]) | set(by_class[1]), key=str):
        candidate, change = key
        findings.equal(by_class[0].get(key, 0), by_class[1].get(key, 0), f"`{change}` events of `{candidate}` in principals.parquet against changes.parquet")
    differ = sorted((key for key in set(in_principals) | set(in_changes) if in_principals.get(key) != in_changes.get(key)), key=str)
    details = [f"{key}: {in_principals.get(key, 0)} against {in_changes.get(key, 0)}" for key in differ]
    findings.expect(not differ, f"principals.parquet differs from changes.parquet: {some(details)}")
    none_of(
        findings, tables, "principals.parquet: in_snapshot",
        f"SELECT DISTINCT in_snapshot FROM principals WHERE in_snapshot NOT IN ({listed(IN_SNAPSHOT)})",
    )
    none_of(
        findings, tables, "principals.parquet: first_seen after last_seen",
        "SELECT candidate, principal_arn FROM principals WHERE first_seen > last_seen",
    )


def total_by_class(counts):
    totals = {}
    for (candidate, _, change), events in counts.items():
        totals[(candidate, change)] = totals.get((candidate, change), 0) + events
    return totals


# --- what the rows say ------------------------------------------------------------------------------------------------


def check_values(findings, tables):
    findings.group("values: classes, decisions and what they mean together")
    allowed_values = {
        "change": CHANGES, "baseline_decision": DECISIONS, "candidate_decision": DECISIONS, "observed": OBSERVED,
    }
    for column, values in allowed_values.items():
        none_of(
            findings, tables, f"changes.parquet: `{column}` is not one of its values",
            f"SELECT DISTINCT {column} FROM changes WHERE {column} IS NULL OR {column} NOT IN ({listed(values)})",
        )
    none_of(
        findings, tables, "changes.parquet: `change_from_log` is not one of its values",
        f"SELECT DISTINCT change_from_log FROM changes WHERE change_from_log NOT IN ({listed(CHANGES)})",
    )
    none_of(
        findings, tables, "changes.parquet: change, baseline_decision, candidate_decision do not fit together",
        f"""SELECT DISTINCT change, baseline_decision, candidate_decision FROM changes
            WHERE (change = 'lost' AND NOT (baseline_decision = 'allowed' AND candidate_decision IN ({listed(DENIALS)})))
               OR (change = 'gained' AND NOT (baseline_decision IN ({listed(DENIALS)}) AND candidate_decision = 'allowed'))""",
    )
    none_of(
        findings, tables, "changes.parquet: contradiction on a row that is not contradicted",
        "SELECT change_id, change, contradiction FROM changes WHERE contradiction IS NOT NULL AND change <> 'baseline_contradicted'",
    )
    fits = " OR ".join(f"(contradiction = {quoted(name)} AND observed = {quoted(seen)})" for name, seen in CONTRADICTIONS.items())
    none_of(
        findings, tables, "changes.parquet: contradiction and observed do not fit together",
        f"SELECT DISTINCT contradiction, observed FROM changes WHERE contradiction IS NOT NULL AND NOT ({fits})",
    )
    none_of(
        findings, tables, "changes.parquet: measures that cannot be",
        """SELECT change_id FROM changes
           WHERE events IS NULL OR events < 1 OR days_seen < 1 OR first_seen > last_seen
              OR len(session_names) > 5 OR len(sample_event_ids) NOT BETWEEN 1 AND least(events, 5)""",
    )


def check_actions(findings, tables):
    findings.group("actions: their counts are those of principals and changes")
    none_of(
        findings, tables, "actions.parquet: an action of a principal stands twice",
        "SELECT candidate, principal_arn, action FROM actions GROUP BY ALL HAVING count(*) > 1",
    )
    none_of(
        findings, tables, "actions.parquet: measures that cannot be",
        """SELECT candidate, principal_arn, action FROM actions
           WHERE used <> (events > 0) OR used <> (days_seen > 0) OR used <> (first_seen IS NOT NULL) OR first_seen > last_seen
              OR (rare AND NOT used) OR days_seen > events""",
    )
    none_of(
        findings, tables, "actions.parquet differs from granted_unused and not_observable of principals.parquet",
        """SELECT p.candidate, p.principal_arn FROM principals p LEFT JOIN (
               SELECT candidate, principal_arn, count(*) FILTER (granted AND NOT used) AS unused,
                      count(*) FILTER (granted AND NOT used AND NOT observable) AS silent
               FROM actions GROUP BY ALL) a
           ON a.candidate = p.candidate AND a.principal_arn IS NOT DISTINCT FROM p.principal_arn
           WHERE p.granted_unused <> coalesce(a.unused, 0) OR p.not_observable <> coalesce(a.silent, 0)""",
    )
    none_of(
        findings, tables, "actions.parquet: used actions are not the successes of changes.parquet",
        """SELECT * FROM (
               SELECT candidate, principal_arn, action, events FROM actions WHERE used
               EXCEPT SELECT candidate, principal_arn, action, sum(events)::BIGINT FROM changes WHERE observed = 'success' GROUP BY ALL)
           UNION ALL SELECT * FROM (
               SELECT candidate, principal_arn, action, sum(events)::BIGINT FROM changes WHERE observed = 'success' GROUP BY ALL
               EXCEPT SELECT candidate, principal_arn, action, events FROM actions WHERE used)""",
    )


def check_statements(findings, tables):
    findings.group("statements: every one that a row names is there")
    for side, name in (("candidate", "c.candidate"), ("baseline", "'baseline'")):
        none_of(
            findings, tables, f"changes.parquet: the {side}'s layer, policy and statement are not in statements.parquet",
            f"""SELECT DISTINCT {name}, c.{side}_layer, c.{side}_policy, c.{side}_statement FROM changes c
                WHERE c.{side}_policy IS NOT NULL AND c.{side}_statement IS NOT NULL AND NOT EXISTS (
                    SELECT 1 FROM statements s WHERE s.side = {name} AND s.layer = c.{side}_layer
                    AND s.policy = c.{side}_policy AND s.statement = c.{side}_statement)""",
        )
    named = "candidate_policy IS NOT NULL AND candidate_statement IS NOT NULL"
    none_of(
        findings, tables, "changes.parquet: a candidate statement, but candidate_deciding is empty",
        f"SELECT change_id FROM changes WHERE {named} AND coalesce(len(candidate_deciding), 0) = 0",
    )
    # Its items are text that names the policy.
    none_of(
        findings, tables, "changes.parquet: candidate_deciding names a policy that is not in statements.parquet",
        f"""SELECT candidate, item
            FROM (SELECT DISTINCT candidate, unnest(candidate_deciding) AS item FROM changes WHERE {named}) c
            WHERE NOT EXISTS (SELECT 1 FROM statements s WHERE s.side = c.candidate AND contains(c.item, s.policy))""",
    )
    none_of(
        findings, tables, "statements.parquet: a row without side, layer, policy, statement or text",
        "SELECT side, layer, policy, statement FROM statements "
        "WHERE side IS NULL OR layer IS NULL OR policy IS NULL OR statement IS NULL OR text IS NULL",
    )
    none_of(
        findings, tables, "statements.parquet: a statement stands twice",
        "SELECT side, layer, policy, statement FROM statements GROUP BY ALL HAVING count(*) > 1",
    )


def check_self(findings, tables, name):
    findings.group(f"self: replaying the baseline as `{name}` changes nothing")
    known = tables.value(f"SELECT count(*) FROM principals WHERE candidate = {quoted(name)}")
    rows = tables.value(f"SELECT count(*) FROM changes WHERE candidate = {quoted(name)}")
    others = tables.value("SELECT count(*) FROM changes")
    findings.expect(known or rows or not others, f"there is no candidate `{name}`")
    none_of(
        findings, tables, f"changes of `{name}` against itself",
        f"""SELECT change, sum(events)::BIGINT, min(change_id) FROM changes
            WHERE candidate = {quoted(name)} AND change NOT IN ({listed(SELF_CHANGES)}) GROUP BY 1 ORDER BY 1""",
    )


# --- the events dataset -----------------------------------------------------------------------------------------------


def check_events(findings, tables, events, counts):
    findings.group("events: the dataset")
    files = sorted(events.rglob("*.parquet"))
    findings.expect((events / "_retrial").is_dir(), "the events dataset has no folder `_retrial`")
    findings.expect(files or counts["events"] == 0, "the events dataset has no Parquet file")
    total = 0
    for path in files:
        date = re.fullmatch(r"date=(\d{4}-\d{2}-\d{2})", path.parent.name)
        where = f"{path.parent.name}/{path.name}"
        findings.expect(date, f"{where}: not in a folder date=YYYY-MM-DD")
        findings.equal(oct(stat.S_IMODE(path.stat().st_mode)), "0o600", f"{where}: mode")
        if not check_file(findings, tables, "events", path, exact=False):
            continue
        rows = tables.rows(f"SELECT epoch_us(event_time), event_id FROM {parquet(path)}")
        total += len(rows)
        disorder = first_disorder(rows, nulls_first=True)
        findings.expect(disorder is None, f"{where}: row {disorder} is not in the order of (event_time, event_id)")
        if date:
            # Days since 1970 on both sides: no reader's time zone takes part.
            outside = sum(1 for time, _ in rows if time is None or time // 86_400_000_000 != days_since_1970(date[1]))
            findings.equal(outside, 0, f"{where}: rows of another day")
    findings.equal(total, counts["events"] + counts["filtered"], "rows of the dataset against counts.events + counts.filtered")


def days_since_1970(text):
    return (datetime.date.fromisoformat(text) - datetime.date(1970, 1, 1)).days


# --- the whole --------------------------------------------------------------------------------------------------------


def print_counts(tables, counts):
    def reasons(pairs):
        return ", ".join(f"{name} {count:,}" for name, count in pairs) or "nothing"

    for name in ("records", "duplicates", "filtered", "events", "replayed"):
        print(f"  {name:<13} {counts[name]:>9,}")
    print(f"  not replayed  {sum(counts['not_replayed'].values()):>9,}  {reasons(sorted(counts['not_replayed'].items()))}")
    skipped = tables.rows("SELECT reason, count(*) FROM skipped GROUP BY 1 ORDER BY 1")
    print(f"  skipped       {counts['skipped']:>9,}  {reasons(skipped)}")
    for candidate, requests in tables.rows("SELECT candidate, count(*) FROM changes GROUP BY 1 ORDER BY 1"):
        classes = tables.rows(f"SELECT change, sum(events)::BIGINT FROM changes WHERE candidate = {quoted(candidate)} GROUP BY 1 ORDER BY 1")
        print(f"  {candidate}: {requests:,} distinct requests; events: {reasons(classes)}")


def check_decisions(findings, tables, counts):
    findings.group("decisions: every event, and the changes that they add up to")
    tables.add("decisions")
    candidates = tables.value("SELECT count(DISTINCT candidate) FROM decisions")
    findings.equal(tables.value("SELECT count(*) FROM decisions"), counts["events"] * candidates, "rows of decisions.parquet")
    none_of(
        findings, tables, "decisions.parquet: not as many rows of a change_id as changes.parquet has events",
        """SELECT change_id FROM (SELECT change_id, change, count(*) AS n FROM decisions WHERE change IS NOT NULL GROUP BY ALL) d
           FULL JOIN changes c USING (change_id) WHERE d.n IS DISTINCT FROM c.events OR d.change IS DISTINCT FROM c.change""",
    )
    none_of(
        findings, tables, "decisions.parquet: neither a change nor a reason, or both",
        "SELECT event_id FROM decisions WHERE (change IS NULL) = (not_replayed IS NULL)",
    )
    found = dict(tables.rows("SELECT not_replayed, count(*) FROM decisions WHERE not_replayed IS NOT NULL GROUP BY 1"))
    wanted = {reason: count * candidates for reason, count in counts["not_replayed"].items()}
    findings.equal(found, wanted, "decisions.parquet: rows by not_replayed")


def check(report, events, self_names):
    findings = Findings()
    tables = Tables(report)
    whole = check_files(findings, tables)
    manifest = read_manifest(findings, report)
    # What follows needs columns by name: with a file or column missing it would only repeat that.
    if whole and manifest is not None and has_columns(tables):
        counts = manifest["counts"]
        groups = [
            lambda: check_order(findings, tables),
            lambda: check_sums(findings, tables, counts),
            lambda: check_agreement(findings, tables, manifest),
            lambda: check_principals(findings, tables),
            lambda: check_values(findings, tables),
            lambda: check_actions(findings, tables),
            lambda: check_statements(findings, tables),
        ]
        if tables.path("decisions").is_file():
            groups.append(lambda: check_decisions(findings, tables, counts))
        groups += [lambda name=name: check_self(findings, tables, name) for name in self_names]
        if events is not None:
            groups.append(lambda: check_events(findings, tables, events, counts))
        groups.append(lambda: (findings.close(), print_counts(tables, counts)))
        for group in groups:
            try:
                group()
            except duckdb.Error as error:  # a column of the wrong type, say
                findings.expect(False, f"a query failed: {error}")
    findings.close()
    return findings


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("report", type=Path)
    parser.add_argument("events", type=Path, nargs="?")
    parser.add_argument("--self", dest="self_names", action="append", default=[], metavar="NAME")
    arguments = parser.parse_args()
    findings = check(arguments.report, arguments.events, arguments.self_names)
    if findings.failures:
        print(f"{arguments.report}: {len(findings.failures)} of {findings.checks} checks failed:")
        for failure in findings.failures:
            print(f"  - {failure}")
        sys.exit(1)
    print(f"{arguments.report}: all {findings.checks} checks hold")


if __name__ == "__main__":
    main()
