import "mail"

rule onenote_embedded_program {
    meta:
        description = "A OneNote section with a program or script inside, one double click away"
        score = 80
        category = "malware"
        attack = "T1204.002"
    strings:
        // FileDataStoreObject (MS-ONESTORE 2.6.13): this GUID, 20 bytes of sizes, then the file.
        $object = { E7 16 E3 BD 65 26 11 45 A4 C4 8D 4D 0B 7A 9E AC }
        $program = { E7 16 E3 BD 65 26 11 45 A4 C4 8D 4D 0B 7A 9E AC [20] 4D 5A }
        $script = /(wscript\.(shell|createobject)|createobject\s{0,9}\(|<hta:application|powershell(\.exe)? |cmd(\.exe)? \/c |@echo off)/ nocase
    condition:
        $program or ($object and $script)
}
