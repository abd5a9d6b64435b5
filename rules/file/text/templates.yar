import "mail"

rule remote_template {
    meta:
        description = "An Office document that fetches its template, with its macros, from a web server when it is opened"
        score = 60
        category = "suspicious"
        attack = "T1221"
    strings:
        // A member such as word/_rels/settings.xml.rels.
        $template = "/relationships/attachedTemplate" nocase
        $target = /Target\s{0,9}=\s{0,9}["']https?:\/\// nocase
        $external = /TargetMode\s{0,9}=\s{0,9}["']External/ nocase
    condition:
        all of them and mail.part.depth > 0 and filesize < 100KB
}
