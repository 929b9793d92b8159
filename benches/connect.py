"""clickhouse-connect with pyarrow: a side of the export benchmark.

    connect.py ADDRESS DATABASE ENDPOINT PLACE KEY SECRET BUCKET < QUERY

Runs the query that comes on standard input as an Arrow stream, and writes it as zstd Parquet into PLACE: a folder where
ENDPOINT is `-`, else a prefix of the bucket. Prints rows and bytes as JSON.
"""

import json
import os
import sys

import clickhouse_connect
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

SETTINGS = {"max_memory_usage": 20_000_000_000, "max_threads": 10, "priority": 2}


def open_target(endpoint, place, key, secret, bucket):
    if endpoint == "-":
        os.makedirs(place, exist_ok=True)
        return fs.LocalFileSystem(), os.path.join(place, "out.parquet")
    scheme, host = endpoint.split("://")
    store = fs.S3FileSystem(
        access_key=key, secret_key=secret, scheme=scheme, endpoint_override=host, region="us-east-1", request_timeout=60
    )
    return store, f"{bucket}/{place}out.parquet"


def main():
    address, database, endpoint, place, key, secret, bucket = sys.argv[1:]
    query = sys.stdin.read()
    host, port = address.rsplit(":", 1)
    client = clickhouse_connect.get_client(host=host, port=int(port), database=database, send_receive_timeout=600)
    store, path = open_target(endpoint, place, key, secret, bucket)
    rows, writer = 0, None
    with client.query_arrow_stream(query, settings=SETTINGS) as stream, store.open_output_stream(path) as out:
        for batch in stream:
            table = batch if isinstance(batch, pa.Table) else pa.Table.from_batches([batch])
            if writer is None:
                writer = pq.ParquetWriter(out, table.schema, compression="zstd")
            writer.write_table(table)
            rows += table.num_rows
        if writer is not None:
            writer.close()
    print(json.dumps({"rows": rows, "bytes": store.get_file_info(path).size}))


if __name__ == "__main__":
    main()
