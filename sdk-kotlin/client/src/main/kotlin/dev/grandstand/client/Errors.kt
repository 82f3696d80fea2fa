// Everything that a call of this library can fail with, but for cancellation and arguments that are wrong in the program.

package dev.grandstand.client

import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.contentOrNull
import java.io.IOException

/** No answer came, or one that says no. */
public sealed class GrandstandException(
    message: String,
    cause: Throwable? = null,
) : IOException(message, cause)

/** The server answered with an error. */
public open class ApiException internal constructor(
    /** The HTTP status. */
    public val status: Int,
    body: JsonElement?,
    /** Tells the server's operators which request it was. */
    public val requestId: String?,
    /** Seconds after which the server wants to be asked again, where it said so. */
    public val retryAfter: Double?,
) : GrandstandException(messageOf(status, body)) {
    /** The fields of the answer: beside `detail` and `error_code`, what some errors say for programs, such as counts. */
    public val data: JsonObject = body as? JsonObject ?: JsonObject(emptyMap())

    /** What went wrong, for programs: `invalid` for a 400 with messages by field, else the answer's `error_code`. */
    public val code: String = codeOf(data) ?: if (status == 400) "invalid" else "http_$status"

    /** Of a 400: messages by field as it was sent (`attributes.set[0].key`); else empty. */
    public val fields: Map<String, List<String>> = fieldsOf(status, data)
}

/** An access token is dead: it expired, was revoked, or its profile was erased. [status] is 401. */
public class InvalidTokenException internal constructor(
    body: JsonElement?,
    requestId: String?,
    retryAfter: Double?,
) : ApiException(401, body, requestId, retryAfter)

/** No answer came: offline, a name that does not resolve, a connection that broke. The reason is its [cause]. */
public open class NetworkException internal constructor(
    message: String,
    cause: Throwable?,
) : GrandstandException(message, cause)

/** No answer came in time. */
public class RequestTimeoutException internal constructor(
    message: String,
    cause: Throwable?,
) : NetworkException(message, cause)

private fun codeOf(data: JsonObject): String? = (data["error_code"] as? JsonPrimitive)?.contentOrNull

private fun fieldsOf(
    status: Int,
    data: JsonObject,
): Map<String, List<String>> = if (status != 400 || codeOf(data) != null) emptyMap() else messagesOf(data)

/** Messages by field, as errors of requests and of single activities have them. */
internal fun messagesOf(errors: JsonObject): Map<String, List<String>> =
    errors.mapValues { (_, said) ->
        (said as? JsonArray ?: listOf(said)).map { (it as? JsonPrimitive)?.contentOrNull ?: it.toString() }
    }

internal fun sentenceOf(messages: Map<String, List<String>>): String =
    messages.entries.joinToString("; ") { (field, said) -> "$field: ${said.joinToString(" ")}" }

private fun messageOf(
    status: Int,
    body: JsonElement?,
): String {
    val data = body as? JsonObject ?: JsonObject(emptyMap())
    val fields = fieldsOf(status, data)
    if (fields.isNotEmpty()) return sentenceOf(fields)
    return (data["detail"] as? JsonPrimitive)?.contentOrNull ?: "The server answered $status."
}
