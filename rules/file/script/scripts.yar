import "mail"

rule windows_script {
    meta:
        description = "A script for Windows by its content, whatever it is called"
        score = 60
        category = "suspicious"
        attack = "T1059"
    condition:
        mail.part.attachment
        and (
            mail.part.file_type == "js" or mail.part.file_type == "vbs"
            or mail.part.file_type == "wsf" or mail.part.file_type == "hta"
            or mail.part.file_type == "batch" or mail.part.file_type == "powershell"
            or mail.part.file_type == "encoded-script"
        )
        // Under these names the desktop shows the text and does not run it: logs, listings, notes.
        and not mail.part.extension matches /^(txt|log|csv|md|rst|diff|patch|json|xml|yml|yaml|tex|eml)$/
        // The text of a forwarded mail: it has no name.
        and not (mail.part.depth > 0 and mail.part.name == "")
}
