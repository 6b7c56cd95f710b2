"""`RedisBackend`: the files of deep agents in Redis, for all threads and processes, each user's apart."""

from __future__ import annotations

from base64 import standard_b64encode
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from langgraph.config import get_config

from langchain_redis_memory.agents.tool_parts import user_of
from langchain_redis_memory.checks import check_several
from langchain_redis_memory.errors import InvalidInputError
from langchain_redis_memory.extras import missing
from langchain_redis_memory.ops import Flow, ask, merge
from langchain_redis_memory.redis.client.connect import ClientLike, ClientOwner, ServerOptions, connect
from langchain_redis_memory.redis.key_groups import Id
from langchain_redis_memory.redis.ttl import Lifetime, milliseconds
from langchain_redis_memory.run_config import namespace_of
from langchain_redis_memory.store.files import FileHead, Files, StoredFile

try:
    from deepagents.backends import protocol, utils
except ImportError as _error:
    raise missing("RedisBackend needs deepagents 0.7 or newer", "deepagents") from _error
from typing_extensions import Unpack


class RedisBackend(ClientOwner, protocol.BackendProtocol):
    """Keeps the files of a deep agent in Redis.

    An edit is a compare-and-set: of two agents that edit one file at once none loses what the other wrote. Folders and
    patterns are found in an index of names, without reading a file; of a search for text only the files that hold it
    are sent.

    Args:
        client: A `Client`, a URL (see `Client.from_url`), a client of redis-py, or None for the environment's settings.
        namespace: Whose files they are; `{user_id}` stands for the user that the run names, never the model.
        ttl_s: How long the files live from the last write to one of them, in seconds; None for no expiry.
        tenant: The tenant.
        **server: `redis_url`, `url` or `redis_client` instead of `client`.

    Raises:
        ConfigError: The URL cannot work, or deepagents is not installed.
        InvalidIdError: The tenant is not acceptable.
        InvalidInputError: The lifetime is not positive.

    Example:
        ```python
        agent = create_deep_agent(model, backend=RedisBackend("redis://localhost:6379/0"))
        agent.invoke(task, {"configurable": {"user_id": "ana"}})
        ```

    **Keys:** `files`, `file_names` of a namespace.
    **Trips:** none to construct; each method says its own.
    """

    def __init__(
        self,
        client: ClientLike = None,
        *,
        namespace: Sequence[str] = ("files", "{user_id}"),
        ttl_s: Lifetime = 2_592_000,
        tenant: Id = "",
        **server: Unpack[ServerOptions],
    ) -> None:
        self._client = connect(client, owner=type(self), **server)
        self._space, self._ttl_ms = self._client.keys(tenant), milliseconds(ttl_s)
        self._namespace = tuple(check_several(namespace, "namespace"))

    @property
    def _files(self) -> Files:
        named = any("{user_id}" in label for label in self._namespace)
        try:
            user = user_of(get_config()) if named else ""
        except RuntimeError:  # LangGraph's, where nothing runs
            msg = "outside of a run nobody says whose files are meant: RedisBackend(client, namespace=('files', 'ana'))"
            raise InvalidInputError(msg) from None
        return Files(self._space.files(namespace_of(self._namespace, user)), self._ttl_ms)

    def ls(self, path: str) -> protocol.LsResult:
        """Lists the files and folders of a folder.

        Args:
            path: The folder.

        Returns:
            Its entries, in the order of paths.

        **Keys:** `file_names`.
        **Trips:** 1.
        """
        return self._client.drive(self._ls_flow(path))

    async def als(self, path: str) -> protocol.LsResult:
        """Lists the files and folders of a folder; see `ls`."""
        return await self._client.adrive(self._ls_flow(path))

    def read(self, file_path: str, offset: int = 0, limit: int = 2000) -> protocol.ReadResult:
        """Reads lines of a file.

        Args:
            file_path: The file.
            offset: The first line, from 0.
            limit: Most lines.

        Returns:
            The lines; of a file that is not text, all of it.

        **Keys:** `files`.
        **Trips:** 1.
        """
        return self._client.drive(self._read_flow(file_path, offset, limit))

    async def aread(self, file_path: str, offset: int = 0, limit: int = 2000) -> protocol.ReadResult:
        """Reads lines of a file; see `read`."""
        return await self._client.adrive(self._read_flow(file_path, offset, limit))

    def write(self, file_path: str, content: str) -> protocol.WriteResult:
        """Writes a file, over one that is there.

        Args:
            file_path: The file.
            content: Its content.

        Returns:
            The path.

        **Keys:** `files`, `file_names`.
        **Trips:** 1.
        """
        return self._client.drive(self._write_flow(file_path, content))

    async def awrite(self, file_path: str, content: str) -> protocol.WriteResult:
        """Writes a file; see `write`."""
        return await self._client.adrive(self._write_flow(file_path, content))

    def edit(
        self,
        file_path: str,
        old_string: str,
        new_string: str,
        replace_all: bool = False,
    ) -> protocol.EditResult:
        """Replaces text of a file by compare-and-set.

        Args:
            file_path: The file.
            old_string: What is replaced; it must stand there once.
            new_string: What stands there then.
            replace_all: Replace it wherever it stands.

        Returns:
            How often it was replaced.

        Raises:
            ConflictError: Others changed the file again and again meanwhile.

        **Keys:** `files`, `file_names`.
        **Trips:** 2, and 1 for each time that somebody else was faster.
        """
        return self._client.drive(self._edit_flow(file_path, old_string, new_string, replace_all))

    async def aedit(
        self,
        file_path: str,
        old_string: str,
        new_string: str,
        replace_all: bool = False,
    ) -> protocol.EditResult:
        """Replaces text of a file by compare-and-set; see `edit`."""
        return await self._client.adrive(self._edit_flow(file_path, old_string, new_string, replace_all))

    def delete(self, file_path: str) -> protocol.DeleteResult:
        """Deletes a file, or a folder with all that is beneath it.

        Args:
            file_path: The file or folder.

        Returns:
            The path; an error where nothing is there.

        **Keys:** `files`, `file_names`.
        **Trips:** 2.
        """
        return self._client.drive(self._delete_flow(file_path))

    async def adelete(self, file_path: str) -> protocol.DeleteResult:
        """Deletes a file, or a folder with all that is beneath it; see `delete`."""
        return await self._client.adrive(self._delete_flow(file_path))

    def glob(self, pattern: str, path: str | None = None) -> protocol.GlobResult:
        """Finds files by a pattern of their names.

        Args:
            pattern: The pattern, as deepagents defines it.
            path: The folder; all files for None.

        Returns:
            The files, what was written last first.

        **Keys:** `file_names`.
        **Trips:** 1.
        """
        return self._client.drive(self._glob_flow(pattern, path))

    async def aglob(self, pattern: str, path: str | None = None) -> protocol.GlobResult:
        """Finds files by a pattern of their names; see `glob`."""
        return await self._client.adrive(self._glob_flow(pattern, path))

    def grep(
        self, pattern: str, path: str | None = None, glob: str | None = None, *, max_count: int | None = None
    ) -> protocol.GrepResult:
        """Finds lines that hold a text.

        Args:
            pattern: The text.
            path: The file or folder; all files for None.
            glob: A pattern of names.
            max_count: Most lines.

        Returns:
            The lines.

        **Keys:** `files`, `file_names`.
        **Trips:** 1, and 1 for each 500 files or 4 MB.
        """
        return self._client.drive(self._grep_flow(pattern, path, glob, max_count))

    async def agrep(
        self, pattern: str, path: str | None = None, glob: str | None = None, *, max_count: int | None = None
    ) -> protocol.GrepResult:
        """Finds lines that hold a text; see `grep`."""
        return await self._client.adrive(self._grep_flow(pattern, path, glob, max_count))

    def upload_files(self, files: list[tuple[str, bytes]]) -> list[protocol.FileUploadResponse]:
        """Writes files.

        Args:
            files: Paths with their bytes.

        Returns:
            A response for each.

        **Keys:** `files`, `file_names`.
        **Trips:** 1.
        """
        return self._client.drive(self._upload_flow(files))

    async def aupload_files(self, files: list[tuple[str, bytes]]) -> list[protocol.FileUploadResponse]:
        """Writes files; see `upload_files`."""
        return await self._client.adrive(self._upload_flow(files))

    def download_files(self, paths: list[str]) -> list[protocol.FileDownloadResponse]:
        """Reads files whole.

        Args:
            paths: Their paths.

        Returns:
            A response for each.

        **Keys:** `files`.
        **Trips:** 1.
        """
        return self._client.drive(self._download_flow(paths))

    async def adownload_files(self, paths: list[str]) -> list[protocol.FileDownloadResponse]:
        """Reads files whole; see `download_files`."""
        return await self._client.adrive(self._download_flow(paths))

    # --- flows --------------------------------------------------------------------------------------------------------

    def _ls_flow(self, path: str) -> Flow[protocol.LsResult]:
        folder = f"{path.rstrip('/')}/"
        entries: dict[str, Any] = {}
        for head in (yield from ask(self._files.beneath(folder))):
            name, slash, _ = head.path.removeprefix(folder).partition("/")
            if head.path.startswith(folder):
                entry = f"{folder}{name}{slash}"
                entries[entry] = {"path": entry, "is_dir": True} if slash else _info(head)
        return protocol.LsResult(entries=[entries[name] for name in sorted(entries)])

    def _read_flow(self, path: str, offset: int, limit: int) -> Flow[protocol.ReadResult]:
        file = yield from ask(self._files.read(path))
        if file is None:
            return protocol.ReadResult(error=f"File '{path}' not found")
        data = _data(file)
        if data["encoding"] != "utf-8" or utils._get_backend_read_file_type(path) != "text":
            return protocol.ReadResult(file_data=data)
        return utils.slice_read_response(data, offset, limit)

    def _write_flow(self, path: str, content: str) -> Flow[protocol.WriteResult]:
        yield from ask(self._files.write(path, content.encode("utf-8", "replace")))
        return protocol.WriteResult(path=path)

    def _edit_flow(self, path: str, old: str, new: str, everywhere: bool) -> Flow[protocol.EditResult]:
        occurrences = 0

        def change(content: bytes) -> bytes | str:
            nonlocal occurrences
            try:
                text = content.decode()
            except UnicodeDecodeError:
                return "Error: Cannot edit binary files with text replacements."
            made = utils.perform_string_replacement(text, old, new, everywhere)
            if isinstance(made, str):
                return made
            changed, occurrences = made
            return changed.encode("utf-8", "replace")

        try:
            error = yield from self._files.revise_flow(path, change)
        except FileNotFoundError:
            return protocol.EditResult(error=f"Error: File '{path}' not found")
        if error is not None:
            return protocol.EditResult(error=error)
        return protocol.EditResult(path=path, occurrences=occurrences)

    def _delete_flow(self, path: str) -> Flow[protocol.DeleteResult]:
        files = self._files
        heads = yield from ask(files.beneath(path))
        if not heads:
            return protocol.DeleteResult(error=f"Error: File '{path}' not found")
        yield from ask(merge(*(files.write(head.path, None) for head in heads)))
        return protocol.DeleteResult(path=path)

    def _glob_flow(self, pattern: str, path: str | None) -> Flow[protocol.GlobResult]:
        heads = {head.path: head for head in (yield from ask(self._files.beneath(path or "/")))}
        names = {name: {"modified_at": head.modified.isoformat()} for name, head in heads.items()}
        try:
            matches = utils._glob_search_files(names, pattern, path)
        except utils.InvalidGlobPatternError as error:
            return protocol.GlobResult(error=str(error))
        return protocol.GlobResult(matches=[_info(heads[name]) for name in matches.split("\n") if name in heads])

    def _grep_flow(
        self, pattern: str, path: str | None, glob: str | None, most: int | None
    ) -> Flow[protocol.GrepResult]:
        files = self._files
        heads = yield from ask(files.beneath(path or "/"))
        if glob:
            names: dict[str, Any] = {head.path: {} for head in heads}
            try:
                chosen = set(utils._glob_search_files(names, glob, path).split("\n"))
            except utils.InvalidGlobPatternError as error:
                return protocol.GrepResult(error=str(error))
            heads = [head for head in heads if head.path in chosen]
        contents = yield from files.read_many_flow(heads, pattern)
        data = {file.head.path: _data(file) for file in contents}
        return utils.grep_matches_from_files(data, pattern, path, max_count=most)

    def _upload_flow(self, given: Sequence[tuple[str, bytes]]) -> Flow[list[protocol.FileUploadResponse]]:
        files, ops, responses = self._files, [], []
        for path, content in given:
            error: str | None = "invalid_path"
            with suppress(InvalidInputError):
                ops.append(files.write(path, content))
                error = None
            responses.append(protocol.FileUploadResponse(path=path, error=error))
        yield from ask(merge(*ops))
        return responses

    def _download_flow(self, paths: Sequence[str]) -> Flow[list[protocol.FileDownloadResponse]]:
        files = self._files
        files_read = yield from ask(merge(*(files.read(path) for path in paths)))
        return [
            protocol.FileDownloadResponse(path, file.content if file else None, None if file else "file_not_found")
            for path, file in zip(paths, files_read, strict=True)
        ]


def _info(head: FileHead) -> protocol.FileInfo:
    return {"path": head.path, "is_dir": False, "size": head.size, "modified_at": head.modified.isoformat()}


def _data(file: StoredFile) -> protocol.FileData:
    try:
        content, encoding = file.content.decode(), "utf-8"
    except UnicodeDecodeError:
        content, encoding = standard_b64encode(file.content).decode(), "base64"
    return {
        "content": content,
        "encoding": encoding,
        "created_at": file.head.created.isoformat(),
        "modified_at": file.head.modified.isoformat(),
    }
