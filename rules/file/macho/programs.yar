import "mail"

rule macos_program {
    meta:
        description = "A macOS program, whatever it is called"
        score = 90
        category = "malware"
        attack = "T1204.002"
    condition:
        uint32be(0) == 0xFEEDFACE or uint32be(0) == 0xFEEDFACF
        or uint32be(0) == 0xCEFAEDFE or uint32be(0) == 0xCFFAEDFE
        or uint32be(0) == 0xCAFEBABE
}
