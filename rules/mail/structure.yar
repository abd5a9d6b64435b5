import "mail"

rule ambiguous_structure {
    meta:
        description = "The message is built so that different programs see different attachments in it"
        score = 20
        category = "evasion"
    condition:
        mail.has_defect("duplicate-boundary")
        or mail.has_defect("duplicate-content-type")
        or mail.has_defect("duplicate-transfer-encoding")
        or mail.has_defect("encoded-multipart")
        or mail.has_defect("encoded-word-in-parameter")
        or mail.has_defect("undeclared-boundary")
}
