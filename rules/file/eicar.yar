// The test file that every scanner must find (https://www.eicar.org/download-anti-malware-testfile).
// Written as bytes, so that this file is not itself taken for it.

import "mail"

rule eicar_test_file {
    meta:
        description = "The EICAR test file: harmless, and made to be held, so that everybody can see that scanning works"
        score = 100
        category = "malware"
        action = "quarantine"
        reference = "https://www.eicar.org/download-anti-malware-testfile/"
    strings:
        // X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR…
        // suppress: text_as_hex
        $eicar = { 58 35 4F 21 50 25 40 41 50 5B 34 5C 50 5A 58 35 34 28 50 5E 29 37 43 43 29 37 7D 24
                   45 49 43 41 52 2D 53 54 41 4E 44 41 52 44 2D 41 4E 54 49 56 49 52 55 53 2D 54 45 53
                   54 2D 46 49 4C 45 21 24 48 2B 48 2A }
    condition:
        // It may begin with a byte order mark or an empty line, and end in white space; a text that
        // merely quotes it is longer.
        filesize <= 160 and $eicar in (0..8)
}
