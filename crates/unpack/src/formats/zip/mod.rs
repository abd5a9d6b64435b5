//! zip (PKWARE APPNOTE 6.3.10), read the way every reader does, not one of them.
//!
//! A zip says everything twice: in a local header before each member, and in the central directory at the end.
//! Windows reads the directory, streaming unpackers read the headers, and a zip that says two things shows each
//! its own. So the directory is followed first; then every local header that the directory does not name, or
//! that contradicts it, is followed as well. Contradictions are noted.
//!
//! The structure is read here, within bounds that do not depend on declared sizes. Only decoding is left to
//! the zip crate, behind the capped reader.

mod directory;
mod header;

use std::collections::HashMap;

use memchr::memmem;

use crate::artifact::{Coverage, Origin};
use crate::capped::Packed;
use crate::filetype::FileType;
use crate::formats;
use crate::opened::{Opened, Source};
use directory::Directory;
use header::{Fields, Local};

/// Entries of directories that are followed. Directories in the sense of folders cost no file of the budget, so
/// that something else has to bound them.
const MAX_ENTRIES: usize = 65_536;

const OLE_SIGNATURE: &[u8] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1";

/// Whether the end of the content says that it is a zip, whatever its beginning says.
pub(crate) fn has_directory(bytes: &[u8]) -> bool {
    directory::locate(bytes).next().is_some()
}

/// Whether there is a zip behind content of another type, which zip programs would open.
pub(crate) fn is_behind(file_type: FileType, bytes: &[u8]) -> bool {
    if formats::is_zip(file_type) {
        return false;
    }
    // Old Office documents have zips inside, in pieces, and they are no members of anything.
    if bytes.starts_with(OLE_SIGNATURE) {
        return directory::ends_in_end_record(bytes);
    }
    has_directory(bytes)
}

pub(crate) fn open(source: Source<'_>, opened: &mut Opened<'_, '_>) {
    read(source.bytes, opened, false);
}

/// Opens a zip behind other content. What is odd about it is the other content.
pub(crate) fn open_behind(source: Source<'_>, opened: &mut Opened<'_, '_>) {
    read(source.bytes, opened, true);
}

fn read(bytes: &[u8], opened: &mut Opened<'_, '_>, behind: bool) {
    let mut reader = Reader {
        bytes,
        opened,
        behind,
        seen: HashMap::new(),
        read: Vec::new(),
        full: false,
    };
    reader.directories();
    reader.local_headers();
    reader.overlaps();
}

struct Reader<'b, 'o, 'w, 's> {
    bytes: &'b [u8],
    opened: &'o mut Opened<'w, 's>,
    /// There is other content before.
    behind: bool,
    /// Readings of members that were followed, and the directory that led there.
    seen: HashMap<Reading, usize>,
    /// Where local headers begin and their data ends, for members that were read.
    read: Vec<(usize, usize)>,
    /// No more members are taken.
    full: bool,
}

/// A way to read a member: where its header is, the method, and the size of the data.
type Reading = (usize, u16, Option<usize>);

impl Reader<'_, '_, '_, '_> {
    /// Follows the central directory, or several, where there is more than one to choose from.
    fn directories(&mut self) {
        let mut found = 0;
        for directory in directory::locate(self.bytes) {
            // The end of a stored zip inside this one also looks like an end.
            if self
                .read
                .iter()
                .any(|&(start, end)| (start..end).contains(&directory.start))
            {
                continue;
            }
            found += 1;
            if found > 1 {
                self.note("several central directories");
            }
            self.directory(&directory, found);
            if self.full {
                return;
            }
        }
        if found == 0 && !self.bytes.starts_with(header::END_SIGNATURE) {
            self.note("no central directory");
        }
    }

    fn directory(&mut self, directory: &Directory, number: usize) {
        let mut entries = 0;
        for (fields, name, offset) in directory.entries(self.bytes) {
            entries += 1;
            // Offsets count from the beginning of the zip, which need not be that of the file.
            let local = [directory.base.checked_add(offset), Some(offset)]
                .into_iter()
                .flatten()
                .find_map(|at| Some((at, Local::read(self.bytes, at)?)));
            let Some((at, local)) = local else {
                self.note("directory names a member that is not there");
                continue;
            };
            self.listed(at, &local, &fields, name, number);
            if self.full {
                return;
            }
        }
        if directory
            .declared_entries
            .is_some_and(|declared| declared != entries)
        {
            self.note("directory has another number of entries than declared");
        }
    }

    /// A member that the directory names.
    fn listed(
        &mut self,
        at: usize,
        local: &Local<'_>,
        fields: &Fields,
        name: &[u8],
        directory: usize,
    ) {
        if self.seen.len() >= MAX_ENTRIES {
            self.full = true;
            return self
                .opened
                .note(Coverage::OverLimit, &format!("entries {MAX_ENTRIES}"));
        }
        match self
            .seen
            .insert((at, fields.method, fields.packed), directory)
        {
            None => {}
            // One local header for many entries: how a small zip becomes a large one.
            Some(by) if by == directory => {
                return self.note("members share their data");
            }
            Some(_) => return,
        }
        let mut names = header::names(name, fields.extra_name.as_deref());
        if local.name != name {
            self.note("names of a member differ");
            for other in header::names(local.name, local.fields.extra_name.as_deref()) {
                if !names.contains(&other) {
                    names.push(other);
                }
            }
        }
        let mut end = self.data(local, fields, names.clone());
        if !self.full && local.contradicts(fields) {
            self.note("headers of a member differ");
            end = end.min(self.data(local, &local.fields, names));
        }
        // A streaming reader may see the end earlier, and what the directory hides behind it.
        if let Some(early) = local.end_before(self.bytes, end) {
            self.note("data of a member ends early");
            end = early;
        }
        self.read.push((at, end));
    }

    /// Follows what the directory does not name: headers in the gaps between the members it does.
    fn local_headers(&mut self) {
        self.read.sort_unstable();
        let listed = std::mem::take(&mut self.read);
        let mut listed_from = 0;
        let mut from = 0;
        while !self.full {
            let Some(at) = self
                .bytes
                .get(from..)
                .and_then(|rest| memmem::find(rest, header::LOCAL_SIGNATURE))
            else {
                break;
            };
            let at = from + at;
            // Both lists ascend, so that each listed member is passed once.
            while listed.get(listed_from).is_some_and(|&(_, end)| end <= at) {
                listed_from += 1;
            }
            if let Some(&(start, end)) = listed.get(listed_from)
                && (start..end).contains(&at)
            {
                from = end.max(at + 1);
                continue;
            }
            from = at + header::LOCAL_SIGNATURE.len();
            if let Some(local) = Local::read(self.bytes, at) {
                from = self.unlisted(&local).max(from);
            }
        }
        self.read = listed;
    }

    /// A member that only its local header names; answers where to look on.
    fn unlisted(&mut self, local: &Local<'_>) -> usize {
        self.note("member that the directory does not name");
        let names = header::names(local.name, local.fields.extra_name.as_deref());
        let end = self.data(local, &local.fields, names);
        // A declared end is believed when something of a zip follows; else the next header may be anywhere.
        let follows = self.bytes.get(end..).unwrap_or_default();
        if local.fields.packed.is_some() && (follows.is_empty() || follows.starts_with(b"PK")) {
            end
        } else {
            local.data_at
        }
    }

    /// Offers the data of a member, read by the given fields; answers where it ends.
    fn data(&mut self, local: &Local<'_>, fields: &Fields, names: Vec<String>) -> usize {
        let available = self.bytes.get(local.data_at..).unwrap_or_default();
        let (data, cut_off) = match fields.packed {
            Some(packed) => match available.get(..packed) {
                Some(data) => (data, false),
                None => (available, true),
            },
            None => (header::until_next_record(fields.method, available), false),
        };
        let end = local.data_at + data.len();
        if cut_off {
            self.note("data of a member is cut off");
        }
        if fields.is_encrypted() {
            self.full = !self
                .opened
                .unread(names, Coverage::Encrypted, "needs a password");
        } else if !is_directory(&names) || !data.is_empty() {
            let packed = Packed::Zip {
                method: fields.method,
                data,
            };
            self.full = !self
                .opened
                .member(names, Origin::Member, packed, fields.crc32);
        }
        end
    }

    fn note(&mut self, detail: &str) {
        if !self.behind {
            self.opened.note(Coverage::Damaged, detail);
        }
    }

    /// Members that share bytes were read as often as they are named, within the ratio; it is noted.
    fn overlaps(&mut self) {
        self.read.sort_unstable();
        let overlap = self
            .read
            .windows(2)
            .any(|pair| matches!(pair, [(_, end), (start, _)] if end > start));
        if overlap {
            self.note("members overlap");
        }
    }
}

fn is_directory(names: &[String]) -> bool {
    names
        .first()
        .is_some_and(|name| name.ends_with(['/', '\\']))
}
