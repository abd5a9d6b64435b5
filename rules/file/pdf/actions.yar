import "mail"

rule pdf_launch_action {
    meta:
        description = "A PDF that starts a program"
        score = 80
        category = "malware"
        attack = "T1204.002"
    strings:
        $launch = /\/S\s{0,9}\/Launch[\s\/<>]/
    condition:
        $launch
}
