"""Stand in for versity/versitygw: moto, which checks no signatures.

A bucket is a folder in /data. moto holds the objects in memory, and a clean stop writes them back
into the folders. The bucket `health` exists last, so that /health answers when all is there.
"""

import os
import signal
import urllib.parse
from pathlib import Path
from typing import Any

import boto3
from moto.server import ThreadedMotoServer

FOLDERS = sorted(path for path in Path("/data").iterdir() if path.is_dir())


def read_objects(client: Any) -> None:
    """Create the buckets, and put the objects of the last stop into them."""
    for folder in FOLDERS:
        client.create_bucket(Bucket=folder.name)
        for file in folder.iterdir():
            key = urllib.parse.unquote(file.name)
            client.put_object(Bucket=folder.name, Key=key, Body=file.read_bytes())


def write_objects(client: Any) -> None:
    """Replace the files in each bucket's folder by the bucket's objects."""
    for folder in FOLDERS:
        for file in folder.iterdir():
            file.unlink()
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=folder.name):
            for entry in page.get("Contents", []):
                body = client.get_object(Bucket=folder.name, Key=entry["Key"])["Body"].read()
                (folder / urllib.parse.quote(entry["Key"], safe="")).write_bytes(body)


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    stops = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, stops)
    server = ThreadedMotoServer("0.0.0.0", port=7070)
    server.start()
    client = boto3.client(
        "s3",
        endpoint_url="http://127.0.0.1:7070",
        aws_access_key_id=os.environ["ROOT_ACCESS_KEY"],
        aws_secret_access_key=os.environ["ROOT_SECRET_KEY"],
        region_name="us-east-1",
    )
    read_objects(client)
    client.create_bucket(Bucket="health")
    print("a stand-in for versitygw: moto", flush=True)
    signal.sigwait(stops)
    write_objects(client)
    server.stop()


if __name__ == "__main__":
    main()
