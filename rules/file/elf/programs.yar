import "mail"

rule linux_program {
    meta:
        description = "A Linux or Unix program, whatever it is called"
        score = 90
        category = "malware"
        attack = "T1204.002"
    condition:
        uint32be(0) == 0x7F454C46
}
