//! Where accepted mail goes: a server that speaks SMTP or LMTP, or a maildir.
