"""Prints a line of JSON for every .torrent of a folder: PROGRAM FOLDER."""
import json
import pathlib
import sys

import libtorrent

PADDING, SYMLINK = 1, 8


def describe(path):
    info = libtorrent.torrent_info(str(path))
    files = info.files()
    entries = [
        {
            "path": files.file_path(number),
            "length": files.file_size(number),
            "padding": bool(int(files.file_flags(number)) & PADDING),
        }
        for number in range(files.num_files())
        if not int(files.file_flags(number)) & SYMLINK
    ]
    return {
        "infohash": str(info.info_hash()),
        "size": info.total_size(),
        "pieces": info.num_pieces(),
        "piece_length": info.piece_length(),
        "files": entries,
    }


for path in sorted(pathlib.Path(sys.argv[1]).glob("*.torrent")):
    try:
        description = describe(path)
    except RuntimeError as error:
        description = {"refused": str(error)}
    print(json.dumps({"name": path.stem, **description}))
