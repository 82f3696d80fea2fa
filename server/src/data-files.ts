// The names of the files in DATA_DIR that hold credentials. Beside them lies the embedded database.

/** Where SECRET_KEY is not given: signs and encrypts. */
export const SECRET_KEY_FILE = 'secret-key';
/** What the first start showed, where there was no terminal. */
export const FIRST_START_FILE = 'first-start.txt';
/** The link that makes the first owner, likewise. Servers on one folder share it. */
export const FIRST_OWNER_FILE = 'first-owner.txt';
/** How the embedded database is reached. */
export const CONNECTION_FILE = 'postgres.json';
