// Random ids, and what a token is known by.

package dev.grandstand.client

import java.security.MessageDigest
import java.security.SecureRandom

/** By what a token is known again where it must not stand itself. */
internal fun fingerprint(token: String): String = hex(MessageDigest.getInstance("SHA-256").digest(token.toByteArray()))

private val random = SecureRandom()

/** 32 random hexadecimal digits: 128 bits. */
internal fun randomId(): String = hex(ByteArray(16).also(random::nextBytes))

private fun hex(bytes: ByteArray): String = bytes.joinToString("") { ((it.toInt() and 0xff) + 0x100).toString(16).substring(1) }
