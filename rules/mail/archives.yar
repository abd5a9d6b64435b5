// Containers that cannot be looked into. What happens to them as such is policy (coverage); here
// is what the rest of the mail says about them.

import "mail"

rule encrypted_archive_with_password {
    meta:
        description = "An encrypted file, and its password in the same mail: that protects it from nobody but the scanner"
        score = 80
        category = "evasion"
        attack = "T1027.013"
    strings:
        // "Password: x", "Passwort für den Anhang = x"
        $stated = /(pass(word|code|phrase|wort|ord)|\bpwd?|\bpin|kennwort|mot de passe|contrase(n|\xc3\xb1)a|senha|wachtwoord|has(l|\xc5\x82)o|heslo|jelsz(o|\xc3\xb3)|parola|salasana|l(o|\xc3\xb6)senord|adgangskode)[^\n:=.?!]{0,40}[:=]\s{0,9}[^\s]{3,}/ nocase
        // "the password for the archive is X7h2"; with a digit, so that "is in the letter" is none
        $is = /(pass(word|code|phrase|wort|ord)|kennwort|mot de passe|contrase(n|\xc3\xb1)a|senha|wachtwoord|parola)[^\n:=.?!]{0,40} (is|ist|lautet|est|es) {1,3}["'`]?[^\s"']{0,30}[0-9]/ nocase
        // пароль
        $cyrillic = /\xd0[\xbf\x9f]\xd0\xb0\xd1\x80\xd0\xbe\xd0\xbb\xd1\x8c[^\n:=.?!]{0,60}[:=]\s{0,9}[^\s]{3,}/
        // パスワード, 密码, 密碼, 비밀번호
        $cjk = /(\xe3\x83\x91\xe3\x82\xb9\xe3\x83\xaf\xe3\x83\xbc\xe3\x83\x89|\xe5\xaf\x86\xe7\xa0\x81|\xe5\xaf\x86\xe7\xa2\xbc|\xeb\xb9\x84\xeb\xb0\x80\xeb\xb2\x88\xed\x98\xb8)[^\n]{0,30}(:|=|\xef\xbc\x9a)\s{0,9}[^\s]{3,}/
    condition:
        // Mail encryption is meant to be opened by its reader alone.
        for any part in mail.parts : (
            part.encrypted and part.file_type != "pgp" and part.file_type != "pkcs7"
        )
        and any of them
}

rule not_fully_inspected {
    meta:
        description = "Something in the mail was larger, deeper or more than is looked at; what was not seen may be anything"
        score = 0
        category = "evasion"
        attack = "T1027"
    condition:
        mail.coverage("over-limit") > 0
}
