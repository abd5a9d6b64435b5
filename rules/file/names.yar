// What names give away. They work even where the content cannot be seen: a zip with a password
// still shows the names of its members.
//
// All candidates are looked at (mail.part.names), because programs disagree about which of several
// names counts. Windows ignores dots and blanks at the end of a name.

import "mail"

rule executable_name {
    meta:
        description = "A file whose name makes Windows run it as a program"
        score = 80
        category = "malware"
        attack = "T1204.002"
    condition:
        for any name in mail.part.names : (
            name matches /\.(exe|scr|pif|cpl|dll|ocx|sys|msi|msp|mst|msix|msixbundle|appx|appxbundle|application|appref-ms|gadget|xll|wll|jar|jnlp|chm|apk)[\s.\x00]*$/i
            or (
                // example.com is also the name of a page or a mail, so here the content has a say.
                name matches /\.com[\s.\x00]*$/i
                and mail.part.group != "mail" and mail.part.group != "text"
                and mail.part.group != "html" and mail.part.group != "image"
                and mail.part.group != "pdf" and mail.part.group != "office"
            )
        )
}

rule script_name {
    meta:
        description = "A file whose name makes Windows run it as a script"
        score = 80
        category = "malware"
        attack = "T1059"
    condition:
        for any name in mail.part.names : (
            name matches /\.(js|jse|vbs|vbe|wsf|wsh|wsc|sct|hta|bat|cmd|ps1|ps1xml|psc1|psm1|reg|inf|msc)[\s.\x00]*$/i
        )
}

rule shortcut_name {
    meta:
        description = "A file whose name makes Windows follow it to something else, without showing where"
        score = 80
        category = "malware"
        attack = "T1204.002"
    condition:
        for any name in mail.part.names : (
            name matches /\.(lnk|scf|library-ms|searchconnector-ms|search-ms|settingcontent-ms)[\s.\x00]*$/i
        )
}

rule double_extension {
    meta:
        description = "A program, script or shortcut that poses as a document: invoice.pdf.exe"
        score = 80
        category = "evasion"
        attack = "T1036.007"
    condition:
        for any name in mail.part.names : (
            name matches /\.(pdf|docx?|xlsx?|pptx?|rtf|odt|ods|txt|csv|jpe?g|png|gif|tiff?|html?|zip|rar|7z|mp3|mp4|wav|eml|msg)[\s._-]*\.(exe|scr|com|pif|cpl|bat|cmd|js|jse|vbs|vbe|wsf|hta|lnk|ps1|jar|msi|iso|img|vhd|url|reg|chm)[\s.\x00]*$/i
        )
}

rule direction_override_name {
    meta:
        description = "A file name with a character that turns the writing direction, so that exe.pdf can be read where fdp.exe is meant"
        score = 80
        category = "evasion"
        attack = "T1036.002"
    condition:
        // U+202E and U+202D; the marks and isolates of honest Arabic and Hebrew names are others.
        for any name in mail.part.names : ( name matches /\xe2\x80[\xad\xae]/ )
}

rule padded_name {
    meta:
        description = "A file name that is padded with blanks until its real extension is out of sight"
        score = 60
        category = "evasion"
        attack = "T1036"
    condition:
        for any name in mail.part.names : ( name matches /[^\s][ \t_]{12,}\.[a-z0-9]{1,10}\s*$/i )
}
