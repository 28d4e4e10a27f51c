# boto3 as a program uses it; ends with an error if anything is not as it should be.
import io
import os
import urllib.error
import urllib.request

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.client import Config
from botocore.exceptions import ClientError

s3 = boto3.client("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL"], config=Config(s3={"addressing_style": "path"}))


def fails(code, call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        assert error.response["Error"]["Code"] == code, error
    else:
        raise AssertionError(f"{code} was expected")


def text(**arguments):
    return s3.get_object(Bucket="boto", **arguments)["Body"].read()


s3.create_bucket(Bucket="boto")
assert "boto" in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
put = s3.put_object(Bucket="boto", Key="a b/c+d.txt", Body=b"hello", ContentType="text/csv", Metadata={"x": "1"})
assert put["ETag"] == '"5d41402abc4b2a76b9719d911017c592"', put
head = s3.head_object(Bucket="boto", Key="a b/c+d.txt")
assert (head["ContentLength"], head["ContentType"], head["Metadata"]) == (5, "text/csv", {"x": "1"}), head
assert text(Key="a b/c+d.txt", Range="bytes=1-2") == b"el"
fails("NoSuchKey", s3.get_object, Bucket="boto", Key="none")
fails("404", s3.head_object, Bucket="boto", Key="none")
fails("NoSuchBucket", s3.list_objects_v2, Bucket="none")
fails("BadDigest", s3.put_object, Bucket="boto", Key="bad", Body=b"x", ContentMD5="1B2M2Y8AsgTpgAmY7PhCfg==")

data = os.urandom(17 * 1024 * 1024)
parts = TransferConfig(multipart_threshold=6 << 20, multipart_chunksize=5 << 20)
s3.upload_fileobj(io.BytesIO(data), "boto", "large", Config=parts)
back = io.BytesIO()
s3.download_fileobj("boto", "large", back, Config=parts)
assert back.getvalue() == data
assert s3.head_object(Bucket="boto", Key="large")["ETag"].endswith('-4"')
s3.copy({"Bucket": "boto", "Key": "large"}, "boto", "copied", Config=parts)
assert text(Key="copied") == data

for n in range(12):
    s3.put_object(Bucket="boto", Key=f"list/{n:02}/x", Body=b"x")
pages = s3.get_paginator("list_objects_v2").paginate(Bucket="boto", Prefix="list/", PaginationConfig={"PageSize": 5})
assert sum(len(page["Contents"]) for page in pages) == 12
folders = s3.list_objects(Bucket="boto", Prefix="list/", Delimiter="/", MaxKeys=2)
assert [folder["Prefix"] for folder in folders["CommonPrefixes"]] == ["list/00/", "list/01/"], folders

url = s3.generate_presigned_url("get_object", Params={"Bucket": "boto", "Key": "a b/c+d.txt"}, ExpiresIn=60)
with urllib.request.urlopen(url) as answer:
    assert answer.read() == b"hello"

# A form that a browser sends with what the application signed for it.
form = s3.generate_presigned_post("boto", "forms/${filename}", Conditions=[["content-length-range", 1, 10]], ExpiresIn=60)


def post(content):
    fields = [(f'name="{name}"', value.encode()) for name, value in form["fields"].items()]
    fields.append(('name="file"; filename="a.txt"', content))
    body = b"".join(b"--x\r\nContent-Disposition: form-data; %s\r\n\r\n%s\r\n" % (head.encode(), value) for head, value in fields)
    request = urllib.request.Request(form["url"], body + b"--x--\r\n", {"Content-Type": "multipart/form-data; boundary=x"})
    try:
        return urllib.request.urlopen(request).status
    except urllib.error.HTTPError as error:
        return error.code


assert post(b"hello") == 204
assert text(Key="forms/a.txt") == b"hello"
assert post(b"more than ten bytes") == 413
form["fields"]["key"] = "elsewhere"
assert post(b"hello") == 403

keys = [entry["Key"] for entry in s3.list_objects_v2(Bucket="boto")["Contents"]]
gone = s3.delete_objects(Bucket="boto", Delete={"Objects": [{"Key": key} for key in keys]})
assert len(gone["Deleted"]) == len(keys) and not gone.get("Errors"), gone
s3.delete_bucket(Bucket="boto")
fails("404", s3.head_bucket, Bucket="boto")
