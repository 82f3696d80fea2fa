// What an access token says about itself, and random ids. Nothing here is verified: the server does that.

package dev.grandstand.client

import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.contentOrNull
import java.security.SecureRandom
import kotlin.io.encoding.Base64

/** The client id that a token was made for, or null: opaque tokens say nothing. */
internal fun clientIdOf(token: String): String? =
    runCatching {
        val payload = Base64.UrlSafe.withPadding(Base64.PaddingOption.ABSENT_OPTIONAL).decode(token.split('.')[1])
        val claims = json.parseToJsonElement(payload.decodeToString()) as JsonObject
        // Tokens that the server signed name the application; those that the application signed are issued by it.
        ((claims["client_id"] ?: claims["iss"]) as? JsonPrimitive)?.contentOrNull
    }.getOrNull()

private val random = SecureRandom()

/** 32 random hexadecimal digits: 128 bits. */
internal fun randomId(): String {
    val bytes = ByteArray(16).also(random::nextBytes)
    return bytes.joinToString("") { ((it.toInt() and 0xff) + 0x100).toString(16).substring(1) }
}
