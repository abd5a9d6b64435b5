//! Which formats are opened, and by whom. One file per format.

pub(crate) mod gzip;
pub(crate) mod html;
pub(crate) mod mail;
pub(crate) mod zip;

use crate::filetype::FileType;
use crate::opened::{Opened, Source};

/// Reads content and offers what is inside to [`Opened`].
pub(crate) type Open = fn(Source<'_>, &mut Opened<'_, '_>);

/// What is done with content of a type.
#[derive(Clone, Copy)]
pub(crate) enum Format {
    /// Has members; counts as a level of archives.
    Archive(Open),
    /// Refers to things and has text, but no depth of its own.
    Document(Open),
    /// There is nothing inside.
    Leaf,
    /// Has parts; counts as a level of mails.
    Mail(Open),
    /// There is something inside that is not looked into.
    Unsupported,
}

/// What is done with content of this type.
pub(crate) fn of(file_type: FileType) -> Format {
    use FileType as T;
    match file_type {
        zip if is_zip(zip) => Format::Archive(zip::open),
        T::Gzip => Format::Archive(gzip::open),
        T::Eml | T::Mht => Format::Mail(mail::open),
        T::Hta | T::Html | T::Svg => Format::Document(html::open),
        T::Ace
        | T::Ar
        | T::Arj
        | T::Bzip2
        | T::Cab
        | T::Chm
        | T::Cpio
        | T::Dmg
        | T::Doc
        | T::Iso
        | T::Lha
        | T::Lz4
        | T::Lzip
        | T::Msg
        | T::Msi
        | T::OfficeEncrypted
        | T::Ole
        | T::OneNote
        | T::Pdf
        | T::Pgp
        | T::Pkcs7
        | T::Ppt
        | T::Pst
        | T::Pub
        | T::Rar
        | T::Rpm
        | T::Rtf
        | T::SevenZip
        | T::Tar
        | T::Tnef
        | T::Vhd
        | T::Vhdx
        | T::Vmdk
        | T::Wim
        | T::Xls
        | T::Xz
        | T::Z
        | T::Zoo
        | T::Zstd => Format::Unsupported,
        _ => Format::Leaf,
    }
}

/// Whether content of this type is a zip by another name.
pub(crate) fn is_zip(file_type: FileType) -> bool {
    use FileType as T;
    matches!(
        file_type,
        T::Apk
            | T::Docx
            | T::Jar
            | T::Odf
            | T::Pptx
            | T::Vsdx
            | T::Xlsb
            | T::Xlsx
            | T::Xps
            | T::Zip
    )
}
