//! The records of a zip, read field by field from wherever they may be.

use memchr::memmem;

pub(super) const LOCAL_SIGNATURE: &[u8] = b"PK\x03\x04";
pub(super) const CENTRAL_SIGNATURE: &[u8] = b"PK\x01\x02";
pub(super) const END_SIGNATURE: &[u8] = b"PK\x05\x06";
const DESCRIPTOR_SIGNATURE: &[u8] = b"PK\x07\x08";

const LOCAL_BYTES: usize = 30;
const CENTRAL_BYTES: usize = 46;

const FLAG_ENCRYPTED: u16 = 1;
/// Sizes and checksum follow the data.
const FLAG_DESCRIPTOR: u16 = 1 << 3;
/// The central directory is encrypted, and local headers are masked.
const FLAG_MASKED: u16 = 1 << 13;
/// WinZip AES (APPNOTE appendix E); the real method is in an extra field.
const METHOD_AES: u16 = 99;
const METHOD_STORED: u16 = 0;

/// What local header and directory both say about a member.
#[derive(Clone, Debug)]
pub(super) struct Fields {
    pub(super) flags: u16,
    pub(super) method: u16,
    /// `None` where it is not given here.
    pub(super) crc32: Option<u32>,
    /// Size of the data; `None` where it is not given here.
    pub(super) packed: Option<usize>,
    /// The name in the Info-ZIP Unicode Path field.
    pub(super) extra_name: Option<Vec<u8>>,
}

impl Fields {
    pub(super) fn is_encrypted(&self) -> bool {
        self.flags & (FLAG_ENCRYPTED | FLAG_MASKED) != 0 || self.method == METHOD_AES
    }
}

/// A local header.
pub(super) struct Local<'b> {
    pub(super) fields: Fields,
    pub(super) name: &'b [u8],
    pub(super) data_at: usize,
}

impl<'b> Local<'b> {
    /// Reads the header at `at`; `None` when there is none.
    pub(super) fn read(bytes: &'b [u8], at: usize) -> Option<Local<'b>> {
        let record = bytes.get(at..)?;
        if !record.starts_with(LOCAL_SIGNATURE) {
            return None;
        }
        let name_length = usize::from(u16_at(record, 26)?);
        let extra_length = usize::from(u16_at(record, 28)?);
        let name = record.get(LOCAL_BYTES..)?.get(..name_length)?;
        // Extra fields that reach beyond the end are as good as none.
        let extra = record
            .get(LOCAL_BYTES + name_length..)
            .and_then(|rest| rest.get(..extra_length))
            .unwrap_or_default();
        let flags = u16_at(record, 6)?;
        let (packed, size) = (u32_at(record, 18)?, u32_at(record, 22)?);
        let follows = flags & FLAG_DESCRIPTOR != 0 && packed == 0;
        let packed = if follows {
            None
        } else {
            widened(packed, size, extra, true)
        };
        Some(Local {
            fields: Fields {
                flags,
                method: u16_at(record, 8)?,
                crc32: u32_at(record, 14).filter(|_| flags & FLAG_DESCRIPTOR == 0),
                packed,
                extra_name: extra_name(extra),
            },
            name,
            data_at: at + LOCAL_BYTES + name_length + extra_length,
        })
    }

    /// Whether following this header leads to other content than following the directory.
    pub(super) fn contradicts(&self, listed: &Fields) -> bool {
        let sizes_differ = self.fields.packed.is_some() && self.fields.packed != listed.packed;
        sizes_differ
            || self.fields.method != listed.method
            || self.fields.is_encrypted() != listed.is_encrypted()
    }

    /// Where the data ends for a reader that stops at a data descriptor with a record after it, if that is
    /// before `end`. Only for compressed data: stored data may be a zip.
    pub(super) fn end_before(&self, bytes: &[u8], end: usize) -> Option<usize> {
        if self.fields.packed.is_some() || self.fields.method == METHOD_STORED {
            return None;
        }
        let data = bytes.get(self.data_at..end)?;
        let ends_here = |at: &usize| {
            // Signature and checksum, then two sizes of 4 or of 8 bytes.
            [16, 24].iter().any(|length| {
                data.get(at + length..)
                    .is_some_and(|rest| rest.starts_with(LOCAL_SIGNATURE))
            })
        };
        memmem::find_iter(data, DESCRIPTOR_SIGNATURE)
            .find(ends_here)
            .map(|at| self.data_at + at)
    }
}

/// Reads one record of the directory: fields, name, offset of the local header, and where the next begins.
pub(super) fn central(bytes: &[u8], at: usize) -> Option<(Fields, &[u8], usize, usize)> {
    let record = bytes.get(at..)?;
    if !record.starts_with(CENTRAL_SIGNATURE) {
        return None;
    }
    let name_length = usize::from(u16_at(record, 28)?);
    let extra_length = usize::from(u16_at(record, 30)?);
    let comment_length = usize::from(u16_at(record, 32)?);
    let name = record.get(CENTRAL_BYTES..)?.get(..name_length)?;
    let extra = record
        .get(CENTRAL_BYTES + name_length..)
        .and_then(|rest| rest.get(..extra_length))
        .unwrap_or_default();
    let (packed, size, offset) = (
        u32_at(record, 20)?,
        u32_at(record, 24)?,
        u32_at(record, 42)?,
    );
    let offset = if offset == u32::MAX {
        let before = usize::from(size == u32::MAX) + usize::from(packed == u32::MAX);
        zip64_value(extra, before).unwrap_or(usize::MAX)
    } else {
        usize::try_from(offset).ok()?
    };
    let fields = Fields {
        flags: u16_at(record, 8)?,
        method: u16_at(record, 10)?,
        crc32: u32_at(record, 16),
        packed: widened(packed, size, extra, false),
        extra_name: extra_name(extra),
    };
    Some((
        fields,
        name,
        offset,
        at + CENTRAL_BYTES + name_length + extra_length + comment_length,
    ))
}

/// The candidates for a name: UTF-8 where it is valid, else the code page of the IBM PC, and the Unicode name
/// some programs add.
pub(super) fn names(raw: &[u8], extra_name: Option<&[u8]>) -> Vec<String> {
    let mut names = vec![match std::str::from_utf8(raw) {
        Ok(name) => name.to_owned(),
        Err(_) => raw.iter().map(|&byte| cp437(byte)).collect(),
    }];
    if let Some(name) = extra_name.map(String::from_utf8_lossy)
        && !names.iter().any(|known| *known == name)
    {
        names.push(name.into_owned());
    }
    names
}

/// Data of unknown size: a stored member ends at the next record, a compressed one ends itself.
pub(super) fn until_next_record(method: u16, data: &[u8]) -> &[u8] {
    if method != METHOD_STORED {
        return data;
    }
    let ends = [DESCRIPTOR_SIGNATURE, LOCAL_SIGNATURE, CENTRAL_SIGNATURE]
        .map(|signature| memmem::find(data, signature));
    let end = ends.into_iter().flatten().min().unwrap_or(data.len());
    data.get(..end).unwrap_or(data)
}

pub(super) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

/// The packed size, from the zip64 field where the plain field defers to it.
fn widened(packed: u32, size: u32, extra: &[u8], local: bool) -> Option<usize> {
    if packed != u32::MAX {
        return usize::try_from(packed).ok();
    }
    // A local header has both sizes in the field; a directory record only those that defer.
    let before = usize::from(local || size == u32::MAX);
    zip64_value(extra, before)
}

/// The value number `index` of the zip64 extra field.
fn zip64_value(extra: &[u8], index: usize) -> Option<usize> {
    const ZIP64: u16 = 1;
    let field = extra_fields(extra).find(|&(id, _)| id == ZIP64)?.1;
    u64_at(field, 8 * index).and_then(|value| usize::try_from(value).ok())
}

fn extra_name(extra: &[u8]) -> Option<Vec<u8>> {
    const UNICODE_PATH: u16 = 0x7075;
    // Version, and the checksum of the plain name; programs differ on whether they check it.
    const NAME_AT: usize = 5;
    let field = extra_fields(extra).find(|&(id, _)| id == UNICODE_PATH)?.1;
    field.get(NAME_AT..).map(<[u8]>::to_vec)
}

fn extra_fields(mut extra: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let id = u16_at(extra, 0)?;
        let length = usize::from(u16_at(extra, 2)?);
        let field = extra.get(4..)?.get(..length)?;
        extra = extra.get(4 + length..)?;
        Some((id, field))
    })
}

fn cp437(byte: u8) -> char {
    const UPPER: &str = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}";
    match byte.checked_sub(0x80) {
        None => char::from(byte),
        Some(index) => UPPER
            .chars()
            .nth(usize::from(index))
            .unwrap_or(char::REPLACEMENT_CHARACTER),
    }
}
