//! gzip (RFC 1952): one stream, of one or more members that belong together.

use crate::artifact::Origin;
use crate::capped::{self, Packed};
use crate::opened::{Opened, Source};

pub(crate) fn open(source: Source<'_>, opened: &mut Opened<'_, '_>) {
    let mut names = Vec::new();
    if let Some(name) = capped::gzip_name(source.bytes) {
        // Latin-1, says the RFC; UTF-8, do programs. Both are candidates when they differ.
        names.extend(String::from_utf8(name.clone()).ok());
        let latin1: String = name.iter().map(|&byte| char::from(byte)).collect();
        if !names.contains(&latin1) {
            names.push(latin1);
        }
    }
    if let Some(name) = source.name.and_then(without_extension)
        && !names.contains(&name)
    {
        names.push(name);
    }
    opened.member(
        names,
        Origin::Decompressed,
        Packed::Gzip(source.bytes),
        None,
    );
}

/// What `gunzip` calls its output.
fn without_extension(name: &str) -> Option<String> {
    let (stem, extension) = name.rsplit_once('.')?;
    match extension.to_ascii_lowercase().as_str() {
        "gz" | "gzip" | "z" => Some(stem.to_owned()),
        "tgz" => Some(format!("{stem}.tar")),
        "svgz" => Some(format!("{stem}.svg")),
        _ => None,
    }
}
