use protocol::escape::json_safe;
use protocol::metainfo::{FileSpan, Metainfo};
use serde_json::{Value, json};

use super::other_keys::other_keys;
use crate::torrent::NoUsableSource;

/// Returns the contents of a torrent as JSON. Texts are those of the torrent; characters that could control a terminal or reorder
/// a line are JSON escapes. `mapped` is true for a path whose original name cannot be stored.
pub(super) fn json(metainfo: &Metainfo) -> String {
    let geometry = metainfo.geometry();
    let value = json!({
        "name": metainfo.name(),
        "infohash": metainfo.infohash().to_string(),
        "size": geometry.size(),
        "piece_length": geometry.piece_length(),
        "pieces": geometry.piece_count(),
        "private": metainfo.is_private(),
        "single_file": metainfo.is_single_file(),
        "hybrid": metainfo.is_hybrid(),
        "trackers": metainfo.tiers(),
        "no_source": NoUsableSource::from_metainfo(metainfo).map(|none| none.to_string()),
        "created_by": metainfo.created_by(),
        "creation_date": metainfo.creation_date(),
        "comment": metainfo.comment(),
        "encoding": metainfo.encoding(),
        "sha256": metainfo.digest().map(|digest| digest.to_string()),
        "irregularity": metainfo.irregularity().map(|error| error.to_string()),
        "other_keys": other_keys(metainfo.bytes()),
        "files": (1..).zip(metainfo.files()).map(file).collect::<Vec<_>>(),
    });
    json_safe(&format!("{value:#}")).into_owned()
}

fn file((number, file): (usize, &FileSpan)) -> Value {
    json!({
        "number": number,
        "path": file.path.as_str(),
        "mapped": file.path.is_mapped(),
        "stored_as": file.path.stored_components().collect::<Vec<_>>().join("/"),
        "length": file.length,
        "offset": file.offset,
        "padding": file.is_padding,
    })
}
