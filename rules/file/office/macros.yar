// Macros by content: an old document has a storage for them (MS-OVBA 2.2.1), a new one a member
// called vbaProject.bin, which is such a storage again.

import "mail"

rule macro_document {
    meta:
        description = "An Office document with macros, whatever it is called"
        score = 50
        category = "suspicious"
        attack = "T1566.001"
    strings:
        $compound = { D0 CF 11 E0 A1 B1 1A E1 }
        // A stream that every VBA project has; directory entries are UTF-16.
        $project = "_VBA_PROJECT" wide
        // The name of the member, as it stands in the directory of the zip.
        $member = "vbaProject.bin" nocase
    condition:
        ($compound at 0 and $project) or (uint16be(0) == 0x504B and $member)
}

rule macro_runs_by_itself {
    meta:
        description = "Macros that run when the document is opened and start programs or fetch files"
        score = 80
        category = "malware"
        attack = "T1204.002"
    strings:
        $auto = /(auto_?(open|exec|close)|document_(open|close)|workbook_(open|activate))/ nocase
        // Macro source is compressed, but a word is written out where it occurs first.
        $shell = "WScript.Shell" nocase
        $create = "CreateObject" nocase
        $download = "URLDownloadToFile" nocase
        $http = "MSXML2." nocase
        $powershell = "powershell" nocase
        $cmd = "cmd.exe" nocase
        $call = "Shell(" nocase
    condition:
        macro_document and $auto
        and ($shell or $create or $download or $http or $powershell or $cmd or $call)
}
