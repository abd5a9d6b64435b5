import "mail"

rule disk_image {
    meta:
        description = "A disk image: Windows and macOS open it like a folder, and what is in it no longer counts as coming from the internet"
        score = 80
        category = "evasion"
        attack = "T1553.005"
    condition:
        mail.part.attachment
}
