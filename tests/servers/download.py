"""Copies the objects of a bucket below a prefix into a folder, by clients that are not the code under test.

    download.py gcs|s3|s3-moto|azure PORT BUCKET PREFIX FOLDER
"""

import base64
import hashlib
import hmac
import pathlib
import sys
import urllib.parse
import urllib.request
from email.utils import formatdate
from xml.etree import ElementTree

from start import ACCOUNT, KEY


def s3(port, bucket, prefix):
    """Key and reader of each object, by boto3."""
    import boto3

    client = boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{port}",
        region_name="us-east-1",
        aws_access_key_id="let-me-in",
        aws_secret_access_key="secret",
    )
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for entry in page.get("Contents", []):
            yield entry["Key"], lambda key=entry["Key"]: client.get_object(Bucket=bucket, Key=key)["Body"].read()


def names(port, path, query, headers, element, marker):
    """The names of a listing in XML, page by page."""
    token = ""
    while True:
        asked = {**query, **({marker[0]: token} if token else {})}
        root = ElementTree.fromstring(get(port, path, asked, headers))
        for found in root.iter():
            if found.tag.rpartition("}")[2] == element:
                yield found.text
        tokens = [found.text for found in root.iter() if found.tag.rpartition("}")[2] == marker[1]]
        token = tokens[0] if tokens and tokens[0] else ""
        if not token:
            return


def get(port, path, query, headers):
    url = f"http://127.0.0.1:{port}{urllib.parse.quote(path)}"
    if query:
        url += "?" + urllib.parse.urlencode(query)
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers(path, query))) as answer:
        return answer.read()


def gcs(port, bucket, prefix):
    def headers(_path, _query):
        return {"Authorization": "Bearer let-me-in"}

    query = {"list-type": "2", "prefix": prefix}
    for key in names(port, f"/{bucket}", query, headers, "Key", ("continuation-token", "NextContinuationToken")):
        yield key, lambda key=key: get(port, f"/{bucket}/{key}", {}, headers)


def azure(port, bucket, prefix):
    def headers(path, query):
        date = formatdate(usegmt=True)
        signed = "GET\n" + "\n" * 11 + f"x-ms-date:{date}\nx-ms-version:2021-12-02\n"
        signed += f"/{ACCOUNT}{urllib.parse.quote(path)}" + "".join(f"\n{name}:{query[name]}" for name in sorted(query))
        digest = hmac.new(base64.b64decode(KEY), signed.encode(), hashlib.sha256).digest()
        signature = base64.b64encode(digest).decode()
        authorization = f"SharedKey {ACCOUNT}:{signature}"
        return {"x-ms-date": date, "x-ms-version": "2021-12-02", "Authorization": authorization}

    root = f"/{ACCOUNT}/{bucket}"
    query = {"restype": "container", "comp": "list", "prefix": prefix}
    for key in names(port, root, query, headers, "Name", ("marker", "NextMarker")):
        yield key, lambda key=key: get(port, f"{root}/{key}", {}, headers)


def main():
    kind, port, bucket, prefix, folder = sys.argv[1:]
    objects = {"gcs": gcs, "azure": azure}.get(kind, s3)(int(port), bucket, prefix)
    for key, read in objects:
        path = pathlib.Path(folder, key.removeprefix(prefix).lstrip("/"))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(read())


if __name__ == "__main__":
    main()
