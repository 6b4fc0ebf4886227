"""A strict, recording stand-in of Cloud Storage's JSON API, for what fake-gcs-server does not do faithfully.

    with GcsWire("lake") as gcs:
        gcs.cut_request("chunk", at_byte=300_000, skip=1)
        gcs.client().bucket("lake").blob("a").upload_from_filename(path, if_generation_match=0)
        assert gcs.objects["lake"]["a"].data == path.read_bytes()

Operations, for faults and `calls`: "objects.insert" (an upload in one request), "upload.start", "chunk",
"upload.status", "upload.cancel", "media" (a download), and the API's own names: "objects.get", "objects.list", ...
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Container
from typing import Any
from urllib.parse import unquote

from tests.servers.discovery import ApiDescription
from tests.servers.gcs_objects import Store, StoredObject, check_declared, crc32c_of, md5_of
from tests.servers.gcs_uploads import Session, declared_hashes, single_upload
from tests.servers.recording import ApiError, RecordedRequest, RecordingServer, Response

UPLOAD_PATH = re.compile(r"(?:/resumable)?/upload/storage/v1/b/(?P<bucket>[^/]+)/o")
CANCELLED = 499
DOWNLOAD_PATH = re.compile(r"/download/storage/v1/b/(?P<bucket>[^/]+)/o/(?P<object>[^/]+)")


PathParts = dict[str, str]


class GcsWire(RecordingServer):
    """Cloud Storage on loopback, with the buckets named; `objects` is bucket → name → object.

    Preconditions of a resumable upload are checked when it is finished, as Google's own test server does. After a
    connection broken within a chunk, whole multiples of 256 KiB of it are kept.
    """

    def __init__(self, *buckets: str, tokens: Container[str] | None = None):
        super().__init__()
        self.tokens = tokens
        self.sessions: dict[str, Session] = {}
        self._store = Store()
        self._store.objects |= {bucket: {} for bucket in buckets}
        self._wrong_checksums: list[str] = []
        self._api = ApiDescription.of("storage", "v1")

    @property
    def objects(self) -> dict[str, dict[str, StoredObject]]:
        return self._store.objects

    def client(self) -> Any:
        """A real `storage.Client` without credentials that talks to this server."""
        from google.auth.credentials import AnonymousCredentials  # noqa: PLC0415 (not every test has the client)
        from google.cloud import storage  # noqa: PLC0415

        endpoint = {"api_endpoint": self.url}
        return storage.Client("test-project", AnonymousCredentials(), client_options=endpoint)

    def read_object(self, bucket: str, name: str) -> bytes:
        """An object's bytes, for `BigQueryStandIn`; KeyError where it is not."""
        return self.objects[bucket][name].data

    def list_objects(self, bucket: str, prefix: str) -> list[str]:
        """The names that begin with the prefix, for `BigQueryStandIn`."""
        return sorted(name for name in self.objects[bucket] if name.startswith(prefix))

    def wrong_checksum(self, operation: str, *, times: int = 1) -> None:
        """Report checksums that are not the data's in the next answers of the operation."""
        self._wrong_checksums += [operation] * times

    def operation_of(self, request: RecordedRequest) -> str:
        """The API's name of the method, or what an upload's or download's request is for."""
        if UPLOAD_PATH.fullmatch(request.path):
            is_status = request.headers.get("content-range") == "bytes */*"
            put = "upload.status" if is_status else "chunk"
            post = "upload.start" if request.query.get("uploadType") == "resumable" else "objects.insert"
            return {"PUT": put, "DELETE": "upload.cancel"}.get(request.method, post)
        found = self._api.find(request.method, request.path)
        is_media = found and found[0].name == "objects.get" and request.query.get("alt") == "media"
        if is_media or DOWNLOAD_PATH.fullmatch(request.path):
            return "media"
        return found[0].name if found else "unknown"

    def received_partly(self, request: RecordedRequest) -> None:
        """Keep the whole units of a chunk that broke off."""
        session = self.sessions.get(request.query.get("upload_id", ""))
        if session and request.operation == "chunk":
            session.take_part(request)

    def answer(self, request: RecordedRequest) -> Response:
        """Hand the request to the method named after its operation."""
        request.authorize(self.tokens)
        if request.operation in ("objects.insert", "upload.start", "chunk", "upload.status", "upload.cancel"):
            return self._upload(request)
        download = DOWNLOAD_PATH.fullmatch(request.path)
        if download:
            return self._media({name: unquote(value) for name, value in download.groupdict().items()}, request)
        found = self._api.find(request.method, request.path)
        handle = getattr(self, f"_{found[0].name.replace('.', '_')}", None) if found else None
        if found is None or handle is None:
            raise ApiError(501, "notImplemented", f"The stand-in does not have {request.method} {request.path}.")
        method, path = found
        self._api.check_query(method, request.query)
        if request.json is not None:
            self._api.check_body(method, request.json)
        if request.operation == "media":
            return self._media(path, request)
        answer = handle(path, request)
        return Response(204) if answer is None else Response(json=answer)

    def _shown(self, stored: StoredObject, operation: str) -> dict[str, Any]:
        """The object's resource, with wrong checksums where the test asked for them."""
        resource = stored.resource(self.url)
        if operation in self._wrong_checksums:
            self._wrong_checksums.remove(operation)
            resource |= {"crc32c": crc32c_of(b"other data"), "md5Hash": md5_of(b"other data")}
        return resource

    def _upload(self, request: RecordedRequest) -> Response:
        match = UPLOAD_PATH.fullmatch(request.path)
        method, path = self._api.find("POST", f"/storage/v1/b/{match['bucket'] if match else ''}/o") or (None, {})
        assert method
        self._api.check_query(method, {key: value for key, value in request.query.items() if key != "upload_id"})
        self._store.bucket(path["bucket"])
        if request.operation in ("objects.insert", "upload.start"):
            is_single = request.operation == "objects.insert"
            resource, data = single_upload(request) if is_single else (request.json or {}, b"")
            self._api.check_body(method, resource)
            resource = resource | declared_hashes(request)
            resource["name"] = resource.get("name") or request.query.get("name")
            if not resource["name"]:
                raise ApiError(400, "required", "Required")
            if not is_single:
                return self._start_upload(path["bucket"], resource, request)
            stored = self._store.put(path["bucket"], resource["name"], data, resource, request.query)
            return Response(json=self._shown(stored, request.operation))
        session = self.sessions.get(request.query.get("upload_id", ""))
        if session is None:
            raise ApiError(404, "notFound", "Not Found")
        if request.operation == "upload.cancel":
            del self.sessions[request.query["upload_id"]]
            return Response(CANCELLED)
        return self._chunk(session, request)

    def _start_upload(self, bucket: str, resource: dict[str, Any], request: RecordedRequest) -> Response:
        resource.setdefault("contentType", request.headers.get("x-upload-content-type", ""))
        upload_id = uuid.uuid4().hex
        self.sessions[upload_id] = Session(bucket, resource, request.query)
        location = f"{self.url}{request.path}?uploadType=resumable&upload_id={upload_id}"
        return Response(headers={"Location": location, "X-GUploader-UploadID": upload_id})

    def _chunk(self, session: Session, request: RecordedRequest) -> Response:
        """Take a chunk, or say how far the upload is; the object once it is whole, again and again."""
        if session.finished is None:
            if not session.take_chunk(request):
                return session.progress()
            data, resource = bytes(session.received), session.resource | declared_hashes(request)
            check_declared(data, session.resource)
            session.finished = self._store.put(session.bucket, resource["name"], data, resource, session.query)
            session.received.clear()
        return Response(json=self._shown(session.finished, "chunk"))

    def _media(self, path: dict[str, str], request: RecordedRequest) -> Response:
        stored = self._store.get(path["bucket"], path["object"], request.query)
        shown = self._shown(stored, "media")
        hashes = [f"crc32c={shown['crc32c']}", *([f"md5={shown['md5Hash']}"] if "md5Hash" in shown else [])]
        headers = {
            "Content-Type": stored.content_type,
            "ETag": shown["etag"],
            "X-Goog-Generation": str(stored.generation),
            "X-Goog-Metageneration": str(stored.metageneration),
            "X-Goog-Hash": ",".join(hashes),
            "X-Goog-Stored-Content-Length": str(len(stored.data)),
            "X-Goog-Stored-Content-Encoding": "identity",
            "Accept-Ranges": "bytes",
        }
        span = re.fullmatch(r"bytes=(\d*)-(\d*)", request.headers.get("range", ""))
        if span is None:
            return Response(body=stored.data, headers=headers)
        size = len(stored.data)
        start = int(span[1]) if span[1] else max(0, size - int(span[2]))
        end = min(int(span[2]), size - 1) if span[1] and span[2] else size - 1
        if start >= size:
            return Response(416, headers={"Content-Range": f"bytes */{size}"})
        headers["Content-Range"] = f"bytes {start}-{end}/{size}"
        return Response(206, body=stored.data[start : end + 1], headers=headers)

    def _objects_get(self, path: PathParts, request: RecordedRequest) -> dict[str, Any]:
        return self._shown(self._store.get(path["bucket"], path["object"], request.query), "objects.get")

    def _objects_list(self, path: PathParts, request: RecordedRequest) -> dict[str, Any]:
        objects, prefixes, token = self._store.page(path["bucket"], request.query)
        page: dict[str, Any] = {"kind": "storage#objects", "items": [stored.resource(self.url) for stored in objects]}
        return page | ({"prefixes": prefixes} if prefixes else {}) | ({"nextPageToken": token} if token else {})

    def _objects_delete(self, path: PathParts, request: RecordedRequest) -> None:
        self._store.delete(path["bucket"], path["object"], request.query)

    def _objects_patch(self, path: PathParts, request: RecordedRequest) -> dict[str, Any]:
        return self._store.patch(path["bucket"], path["object"], request.json, request.query).resource(self.url)

    def _objects_compose(self, path: PathParts, request: RecordedRequest) -> dict[str, Any]:
        bucket, name = path["destinationBucket"], path["destinationObject"]
        return self._store.compose(bucket, name, request.json, request.query).resource(self.url)

    def _objects_copy(self, path: PathParts, request: RecordedRequest) -> dict[str, Any]:
        source = self._store.get(path["sourceBucket"], path["sourceObject"], request.query, prefix="ifSource")
        resource = {"metadata": source.metadata, **source.properties, **(request.json or {})}
        where = path["destinationBucket"], path["destinationObject"]
        return self._store.put(*where, source.data, resource, request.query).resource(self.url)

    def _objects_rewrite(self, path: PathParts, request: RecordedRequest) -> dict[str, Any]:
        resource = self._objects_copy(path, request)
        sizes = {"objectSize": resource["size"], "totalBytesRewritten": resource["size"]}
        return {"kind": "storage#rewriteResponse", "done": True, "resource": resource, **sizes}

    def _buckets_get(self, path: PathParts, request: RecordedRequest) -> dict[str, Any]:
        self._store.bucket(path["bucket"])
        return {"kind": "storage#bucket", "id": path["bucket"], "name": path["bucket"], "location": "US"}

    def _buckets_list(self, path: PathParts, request: RecordedRequest) -> dict[str, Any]:
        return {"kind": "storage#buckets", "items": [self._buckets_get({"bucket": b}, request) for b in self.objects]}

    def _buckets_insert(self, path: PathParts, request: RecordedRequest) -> dict[str, Any]:
        name = request.json.get("name", "")
        if name in self.objects:
            raise ApiError(
                409, "conflict", "Your previous request to create the named bucket succeeded and you own it."
            )
        self.objects[name] = {}
        return self._buckets_get({"bucket": name}, request)

    def _buckets_delete(self, path: PathParts, request: RecordedRequest) -> None:
        if self._store.bucket(path["bucket"]):
            raise ApiError(409, "conflict", "The bucket you tried to delete is not empty.")
        del self.objects[path["bucket"]]
