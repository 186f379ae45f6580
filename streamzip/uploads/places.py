"""Chooses where uploaded files lie, by the settings."""

from concurrent.futures import Executor

from streamzip.config import Settings
from streamzip.objects.port import Bucket
from streamzip.objects.reads import ReadMemory
from streamzip.store.repository import Repository
from streamzip.store.vault import Vault
from streamzip.uploads.arriving import Incoming
from streamzip.uploads.files import UploadFolder
from streamzip.uploads.in_bucket import UploadsInBucket
from streamzip.uploads.on_disk import UploadsOnDisk
from streamzip.uploads.port import Uploads


def uploads_of(
    settings: Settings, repository: Repository, vault: Vault, bucket: Bucket | None, memory: ReadMemory, pool: Executor
) -> Uploads:
    """Return the files in the bucket, where there is one, else those in the data folder."""
    root = settings.data_dir / "uploads"
    most, quota, files = settings.upload_max_bytes, settings.upload_quota_bytes, settings.upload_max_files
    if bucket is None:
        return UploadsOnDisk(UploadFolder(root, most=most, quota=quota, files=files), pool)
    incoming = Incoming(root, most=most, quota=quota, files=files)
    return UploadsInBucket(incoming, bucket, repository, vault, memory)
