import "mail"

rule windows_program {
    meta:
        description = "A Windows program, whatever it is called and however deep it is packed"
        score = 90
        category = "malware"
        attack = "T1204.002"
    condition:
        // "MZ", and "PE\0\0" where the DOS header says that it is.
        uint16(0) == 0x5A4D and uint32(uint32(0x3C)) == 0x00004550
}

rule dos_program {
    meta:
        description = "A DOS program, or a Windows program that was cut off"
        score = 60
        category = "suspicious"
        attack = "T1204.002"
    condition:
        (uint16(0) == 0x5A4D or uint16(0) == 0x4D5A)
        // Bytes in the last page of 512: a text that begins with MZ has letters here.
        and uint16(2) < 512
        // Without a whole DOS header there is nothing to compare, and nothing equals nothing.
        and (not defined uint32(uint32(0x3C)) or uint32(uint32(0x3C)) != 0x00004550)
}
