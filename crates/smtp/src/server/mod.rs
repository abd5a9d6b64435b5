//! The server: what a client may say, in which order, how much and how slowly.
