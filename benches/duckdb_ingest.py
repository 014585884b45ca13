"""The same logs to Parquet with DuckDB: what `retrial ingest` is compared with.

usage: python benches/duckdb_ingest.py LOGS OUT.parquet [THREADS]
"""

import pathlib
import sys
import time

import duckdb

ISSUER = "STRUCT(type VARCHAR, principalId VARCHAR, arn VARCHAR, accountId VARCHAR, userName VARCHAR)"
ATTRIBUTES = "STRUCT(creationDate VARCHAR, mfaAuthenticated VARCHAR)"
IDENTITY = (
    "STRUCT(type VARCHAR, principalId VARCHAR, arn VARCHAR, accountId VARCHAR, accessKeyId VARCHAR, userName VARCHAR, "
    f"invokedBy VARCHAR, sessionContext STRUCT(sessionIssuer {ISSUER}, attributes {ATTRIBUTES}, sourceIdentity VARCHAR))"
)
RECORD = (
    f"STRUCT(eventVersion VARCHAR, userIdentity {IDENTITY}, eventTime TIMESTAMP, eventSource VARCHAR, eventName VARCHAR, "
    "awsRegion VARCHAR, sourceIPAddress VARCHAR, userAgent VARCHAR, errorCode VARCHAR, errorMessage VARCHAR, "
    "requestParameters JSON, requestID VARCHAR, eventID VARCHAR, readOnly BOOLEAN, eventType VARCHAR, "
    "eventCategory VARCHAR, recipientAccountId VARCHAR, sharedEventID VARCHAR, vpcEndpointId VARCHAR, "
    "tlsDetails STRUCT(tlsVersion VARCHAR))"
)

logs, out, *threads = sys.argv[1:]
files = [str(path) for path in sorted(pathlib.Path(logs).rglob("*.json.gz"))]
connection = duckdb.connect(config={"threads": int(threads[0])} if threads else {})
connection.execute("SET preserve_insertion_order = false")
wall, cpu = time.perf_counter(), time.process_time()
connection.execute(
    f"""
    COPY (
        SELECT unnest(record, recursive := true)
        FROM (
            SELECT unnest(Records) AS record
            FROM read_json(?, format = 'unstructured', columns = {{'Records': '{RECORD}[]'}}, maximum_object_size = 33554432)
        )
    ) TO '{out}' (FORMAT parquet, COMPRESSION zstd)
    """,
    [files],
)
(rows,) = connection.execute(f"SELECT count(*) FROM '{out}'").fetchone()
print(f"{rows} rows, {time.process_time() - cpu:.2f} s of CPU, {time.perf_counter() - wall:.2f} s")
