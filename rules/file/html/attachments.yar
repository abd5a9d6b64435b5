// HTML that arrives as a file: it is opened in a browser, from the disk, where no filter looks.

import "mail"

private rule is_file {
    condition:
        // The body of a forwarded mail is inside an attachment too, and has no name.
        mail.part.attachment and (mail.part.depth == 0 or mail.part.name != "")
}

rule html_attachment_password_form {
    meta:
        description = "An attached web page that asks for a password"
        score = 80
        category = "phishing"
        attack = "T1566.001"
    strings:
        // Two patterns and not one: from each of a million "<input" to the next ">" is a long way.
        $input = "<input" nocase
        $password = /type\s{0,9}=\s{0,9}["']?password/ nocase
    condition:
        is_file and $input and $password
}

rule html_smuggling {
    meta:
        description = "An attached web page that builds a file in the browser and saves it, so that no filter sees it pass"
        score = 80
        category = "evasion"
        attack = "T1027.006"
    strings:
        $build = /(new\s{1,9}blob\s{0,9}\(|new\s{1,9}file\s{0,9}\()/ nocase
        $decode = /(\batob\s{0,9}\(|fromcharcode|uint8array)/ nocase
        $save = /(createobjecturl|mssaveoropenblob|mssaveblob)/ nocase
    condition:
        is_file and all of them
}

rule svg_with_script {
    meta:
        description = "An attached picture (SVG) with a script in it"
        score = 80
        category = "phishing"
        attack = "T1027.017"
    strings:
        $svg = "<svg" nocase
        $script = "<script" nocase
        $handler = /\son(load|begin|click|mouseover)\s{0,9}=/ nocase
        $link = /href\s{0,9}=\s{0,9}["']\s{0,9}(javascript|data:text\/html)/ nocase
    condition:
        is_file and mail.part.file_type == "svg" and $svg and ($script or $handler or $link)
}
