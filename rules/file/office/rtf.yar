import "mail"

rule rtf_self_updating_object {
    meta:
        description = "An RTF document that loads an embedded object by itself: how exploits get from RTF into Word"
        score = 80
        category = "malware"
        attack = "T1203"
    strings:
        $data = /\\objdata/ nocase
        $update = /\\objupdate/ nocase
        // "Equation.3" as RTF writes it, in hexadecimal.
        $equation = "4571756174696f6e2e33" nocase
    condition:
        uint32be(0) == 0x7B5C7274 and $data and ($update or $equation)
}
