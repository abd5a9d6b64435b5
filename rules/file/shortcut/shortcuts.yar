import "mail"

rule shortcut_file {
    meta:
        description = "A file that makes Windows open or run something else, whatever it is called"
        score = 80
        category = "malware"
        attack = "T1204.002"
    condition:
        mail.part.file_type == "lnk" or mail.part.file_type == "scf"
        or mail.part.file_type == "library-ms" or mail.part.file_type == "search-connector"
        or mail.part.file_type == "settingcontent-ms"
}

rule internet_shortcut {
    meta:
        description = "An internet shortcut: opens whatever its author wants, and is no way to send a link"
        score = 40
        category = "suspicious"
        attack = "T1204.001"
    condition:
        mail.part.file_type == "url"
}

rule internet_shortcut_to_program {
    meta:
        description = "An internet shortcut that opens a program or a file on a foreign server"
        score = 80
        category = "malware"
        attack = "T1204.002"
    strings:
        $file = /url\s{0,9}=\s{0,9}(file:|\\\\)/ nocase
        $program = /url\s{0,9}=[^\r\n]{4,500}\.(exe|scr|hta|js|jse|vbs|vbe|wsf|bat|cmd|ps1|lnk|msi|cpl)\s{0,9}[\r\n]/ nocase
    condition:
        mail.part.file_type == "url" and any of them
}

rule remote_desktop_file {
    meta:
        description = "A Remote Desktop connection: opening it can hand the local disks to a foreign server"
        score = 60
        category = "phishing"
        attack = "T1204.002"
    condition:
        mail.part.file_type == "rdp"
}

rule web_query {
    meta:
        description = "An Excel web query: fetches formulas from a foreign server"
        score = 80
        category = "malware"
        attack = "T1204.002"
    condition:
        mail.part.file_type == "iqy"
}
