use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Declares [`FileType`] with the name and the group of every variant in one table.
macro_rules! file_types {
    ($($(#[$doc:meta])+ $variant:ident = $name:literal, $group:ident;)+) => {
        /// What content is.
        #[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
        #[non_exhaustive]
        pub enum FileType {
            $($(#[$doc])+ $variant,)+
        }

        impl FileType {
            /// Every type, in the order of the table.
            pub const ALL: &'static [FileType] = &[$(FileType::$variant,)+];

            /// The name that rules and output use.
            pub fn name(self) -> &'static str {
                match self {
                    $(FileType::$variant => $name,)+
                }
            }

            /// The group, which is the name of a directory of rules.
            pub fn group(self) -> Group {
                match self {
                    $(FileType::$variant => Group::$group,)+
                }
            }
        }
    };
}

file_types! {
    // Archives and compressed streams.
    /// ACE archive.
    Ace = "ace", Archive;
    /// Android package.
    Apk = "apk", Archive;
    /// Unix `ar`, Debian packages among them.
    Ar = "ar", Archive;
    /// ARJ archive.
    Arj = "arj", Archive;
    /// bzip2 stream.
    Bzip2 = "bzip2", Archive;
    /// Microsoft cabinet.
    Cab = "cab", Archive;
    /// cpio archive.
    Cpio = "cpio", Archive;
    /// gzip stream.
    Gzip = "gzip", Archive;
    /// Java archive.
    Jar = "jar", Archive;
    /// LHA or LZH archive.
    Lha = "lha", Archive;
    /// lz4 frame.
    Lz4 = "lz4", Archive;
    /// lzip stream.
    Lzip = "lzip", Archive;
    /// RAR archive of any generation.
    Rar = "rar", Archive;
    /// RPM package.
    Rpm = "rpm", Archive;
    /// 7-Zip archive.
    SevenZip = "7z", Archive;
    /// tar archive.
    Tar = "tar", Archive;
    /// Outlook's `winmail.dat`.
    Tnef = "tnef", Archive;
    /// xz stream.
    Xz = "xz", Archive;
    /// Unix `compress`.
    Z = "z", Archive;
    /// Zip archive that is nothing more special.
    Zip = "zip", Archive;
    /// zoo archive.
    Zoo = "zoo", Archive;
    /// Zstandard frame.
    Zstd = "zstd", Archive;

    // Disk images.
    /// Apple disk image.
    Dmg = "dmg", DiskImage;
    /// ISO 9660 or UDF image.
    Iso = "iso", DiskImage;
    /// Virtual PC disk.
    Vhd = "vhd", DiskImage;
    /// Hyper-V disk.
    Vhdx = "vhdx", DiskImage;
    /// VMware disk.
    Vmdk = "vmdk", DiskImage;
    /// Windows imaging format.
    Wim = "wim", DiskImage;

    // Documents.
    /// Word 97-2003.
    Doc = "doc", Office;
    /// Word, with or without macros.
    Docx = "docx", Office;
    /// Windows Installer package.
    Msi = "msi", Office;
    /// OpenDocument of any kind.
    Odf = "odf", Office;
    /// An Office document encrypted with a password.
    OfficeEncrypted = "office-encrypted", Office;
    /// Compound file that is nothing more special.
    Ole = "ole", Office;
    /// PowerPoint 97-2003.
    Ppt = "ppt", Office;
    /// PowerPoint, with or without macros.
    Pptx = "pptx", Office;
    /// Publisher.
    Pub = "pub", Office;
    /// Rich Text Format.
    Rtf = "rtf", Office;
    /// Symbolic Link, a text format of Excel.
    Slk = "slk", Office;
    /// Visio.
    Vsdx = "vsdx", Office;
    /// Excel 97-2003.
    Xls = "xls", Office;
    /// Excel, binary workbook.
    Xlsb = "xlsb", Office;
    /// Excel, with or without macros.
    Xlsx = "xlsx", Office;
    /// XML Paper Specification.
    Xps = "xps", Office;
    /// OneNote section.
    OneNote = "onenote", Onenote;
    /// PDF.
    Pdf = "pdf", Pdf;

    // Programs.
    /// Java class.
    Class = "class", Other;
    /// Android bytecode.
    Dex = "dex", Other;
    /// Unix program.
    Elf = "elf", Elf;
    /// macOS program.
    MachO = "macho", Macho;
    /// DOS program without a Windows header.
    Mz = "mz", Pe;
    /// Windows program or library.
    Pe = "pe", Pe;
    /// Flash.
    Swf = "swf", Other;
    /// WebAssembly.
    Wasm = "wasm", Other;

    // Scripts.
    /// Windows batch file.
    Batch = "batch", Script;
    /// HTML application.
    Hta = "hta", Script;
    /// Setup information, which Windows can execute.
    Inf = "inf", Script;
    /// JavaScript.
    Js = "js", Script;
    /// Encoded JavaScript or VBScript.
    EncodedScript = "encoded-script", Script;
    /// Perl.
    Perl = "perl", Script;
    /// PHP.
    Php = "php", Script;
    /// PowerShell.
    PowerShell = "powershell", Script;
    /// Python.
    Python = "python", Script;
    /// Registry file.
    Reg = "reg", Script;
    /// Shell script.
    Shell = "shell", Script;
    /// VBScript, or exported VBA.
    Vbs = "vbs", Script;
    /// Windows script file.
    Wsf = "wsf", Script;

    // Shortcuts: small files that make something else happen.
    /// Excel web query.
    Iqy = "iqy", Shortcut;
    /// Windows library description.
    LibraryMs = "library-ms", Shortcut;
    /// Windows shortcut.
    Lnk = "lnk", Shortcut;
    /// Remote Desktop connection.
    Rdp = "rdp", Shortcut;
    /// Explorer command or desktop.ini.
    Scf = "scf", Shortcut;
    /// Windows search connector.
    SearchConnector = "search-connector", Shortcut;
    /// Windows settings shortcut.
    SettingContent = "settingcontent-ms", Shortcut;
    /// Internet shortcut.
    Url = "url", Shortcut;

    // Pictures.
    /// Windows bitmap.
    Bmp = "bmp", Image;
    /// Enhanced metafile.
    Emf = "emf", Image;
    /// GIF.
    Gif = "gif", Image;
    /// HEIF or AVIF.
    Heif = "heif", Image;
    /// Windows icon.
    Ico = "ico", Image;
    /// JPEG.
    Jpeg = "jpeg", Image;
    /// Photoshop.
    Psd = "psd", Image;
    /// PNG.
    Png = "png", Image;
    /// SVG.
    Svg = "svg", Html;
    /// TIFF.
    Tiff = "tiff", Image;
    /// WebP.
    Webp = "webp", Image;
    /// Windows metafile.
    Wmf = "wmf", Image;

    // Mail.
    /// A mail.
    Eml = "eml", Mail;
    /// A web archive: a mail in form.
    Mht = "mht", Mail;
    /// An Outlook message.
    Msg = "msg", Mail;
    /// An Outlook mail folder.
    Pst = "pst", Mail;

    // Text.
    /// HTML.
    Html = "html", Html;
    /// iCalendar.
    Ics = "ics", Text;
    /// Text that is nothing more special.
    Text = "text", Text;
    /// vCard.
    Vcf = "vcf", Text;
    /// XML that is nothing more special.
    Xml = "xml", Text;

    // The rest.
    /// Compiled HTML help.
    Chm = "chm", Other;
    /// Not recognised.
    Data = "data", Other;
    /// No content at all.
    Empty = "empty", Other;
    /// A font.
    Font = "font", Other;
    /// Sound or video.
    Media = "media", Other;
    /// Encrypted with OpenPGP.
    Pgp = "pgp", Other;
    /// S/MIME content, signed or encrypted, with the content inside.
    Pkcs7 = "pkcs7", Other;
    /// A detached signature, or a certificate.
    Signature = "signature", Other;
    /// SQLite database.
    Sqlite = "sqlite", Other;
}

impl fmt::Display for FileType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for FileType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for FileType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        FileType::ALL
            .iter()
            .copied()
            .find(|known| known.name() == name)
            .ok_or_else(|| de::Error::custom(format!("unknown file type `{name}`")))
    }
}

/// What file types have in common for rules: the name of a directory below `rules/file/`.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Group {
    /// Archives and compressed streams.
    Archive,
    /// Images of disks.
    DiskImage,
    /// Unix programs.
    Elf,
    /// HTML and what is rendered like it.
    Html,
    /// Pictures.
    Image,
    /// macOS programs.
    Macho,
    /// Mails.
    Mail,
    /// Office documents.
    Office,
    /// OneNote.
    Onenote,
    /// Everything else.
    Other,
    /// PDF.
    Pdf,
    /// Windows programs.
    Pe,
    /// Scripts.
    Script,
    /// Small files that make something else happen.
    Shortcut,
    /// Text.
    Text,
}

impl Group {
    /// Every group, by name.
    pub const ALL: [Group; 15] = [
        Group::Archive,
        Group::DiskImage,
        Group::Elf,
        Group::Html,
        Group::Image,
        Group::Macho,
        Group::Mail,
        Group::Office,
        Group::Onenote,
        Group::Other,
        Group::Pdf,
        Group::Pe,
        Group::Script,
        Group::Shortcut,
        Group::Text,
    ];

    /// The name of the directory.
    pub fn name(self) -> &'static str {
        match self {
            Group::Archive => "archive",
            Group::DiskImage => "disk-image",
            Group::Elf => "elf",
            Group::Html => "html",
            Group::Image => "image",
            Group::Macho => "macho",
            Group::Mail => "mail",
            Group::Office => "office",
            Group::Onenote => "onenote",
            Group::Other => "other",
            Group::Pdf => "pdf",
            Group::Pe => "pe",
            Group::Script => "script",
            Group::Shortcut => "shortcut",
            Group::Text => "text",
        }
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
