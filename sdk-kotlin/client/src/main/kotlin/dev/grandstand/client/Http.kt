// One request: where it goes, what it carries, how often it is tried and what it fails with. Every other part speaks
// through it. A request that may be repeated without harm is; a POST becomes one by its Idempotency-Key.

package dev.grandstand.client

import kotlinx.coroutines.channels.awaitClose
import kotlinx.coroutines.channels.trySendBlocking
import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.callbackFlow
import kotlinx.coroutines.suspendCancellableCoroutine
import kotlinx.serialization.json.JsonElement
import okhttp3.Call
import okhttp3.Callback
import okhttp3.Dispatcher
import okhttp3.HttpUrl
import okhttp3.HttpUrl.Companion.toHttpUrl
import okhttp3.HttpUrl.Companion.toHttpUrlOrNull
import okhttp3.MediaType.Companion.toMediaType
import okhttp3.OkHttpClient
import okhttp3.Request
import okhttp3.RequestBody
import okhttp3.RequestBody.Companion.toRequestBody
import okhttp3.Response
import java.io.IOException
import java.io.InterruptedIOException
import java.net.URLEncoder
import java.text.ParsePosition
import java.text.SimpleDateFormat
import java.util.Locale
import java.util.TimeZone
import java.util.concurrent.SynchronousQueue
import java.util.concurrent.ThreadPoolExecutor
import java.util.concurrent.TimeUnit
import kotlin.coroutines.resume
import kotlin.coroutines.resumeWithException
import kotlin.math.max
import kotlin.math.min
import kotlin.random.Random

private const val LONGEST_WAIT_MS = 10_000L

/** The server says something every 15 seconds. */
private const val STREAM_SILENCE_MS = 40_000L

/** Of all clients that were given none: its threads keep no program running. */
private val sharedClient by lazy {
    val threads =
        ThreadPoolExecutor(0, Int.MAX_VALUE, 60, TimeUnit.SECONDS, SynchronousQueue()) { work ->
            Thread(work, "grandstand").apply { isDaemon = true }
        }
    OkHttpClient.Builder().dispatcher(Dispatcher(threads).apply { maxRequestsPerHost = 32 }).build()
}

/** What a request is sent as, read once: a token that is replaced meanwhile is not mixed with this body. */
internal class Sent(
    val method: String,
    val path: String,
    val body: JsonElement? = null,
    val token: String? = null,
    /** Of a POST: the same for all its attempts. */
    val idempotencyKey: String? = if (method == "POST") randomId() else null,
)

internal class Http(
    endpoint: String,
    private val config: ClientConfig,
) {
    /** `https://host/api/v1/` */
    val root: HttpUrl = apiAddress(endpoint)

    // Made with the first request: a client reads the device's certificates, and this may be the thread that draws.
    // What says "elsewhere" is an answer like any other: no token goes to an address that it names.
    private val client by lazy {
        (config.httpClient ?: sharedClient)
            .newBuilder()
            .followRedirects(false)
            .callTimeout(config.timeoutMillis, TimeUnit.MILLISECONDS)
            .connectTimeout(config.timeoutMillis, TimeUnit.MILLISECONDS)
            .readTimeout(config.timeoutMillis, TimeUnit.MILLISECONDS)
            .build()
    }
    private val streaming by lazy {
        client
            .newBuilder()
            .callTimeout(0, TimeUnit.MILLISECONDS)
            .readTimeout(STREAM_SILENCE_MS, TimeUnit.MILLISECONDS)
            .build()
    }

    /** The JSON of a good answer, null where there is none. Cancelling the caller cancels the request. */
    suspend fun request(
        sent: Sent,
        retries: Int = config.retries,
    ): JsonElement? {
        var attempt = 0
        while (true) {
            try {
                return send(sent)
            } catch (error: GrandstandException) {
                if (attempt >= retries || !isTemporary(error)) throw error
                val wait = backOff(attempt++, error)
                if (wait > LONGEST_WAIT_MS) throw error
                delay(wait)
            }
        }
    }

    private suspend fun send(sent: Sent): JsonElement? =
        suspendCancellableCoroutine { caller ->
            val call = client.newCall(requestOf(sent))
            caller.invokeOnCancellation { call.cancel() }
            call.enqueue(
                Reading(config.timeoutMillis, caller::resumeWithException) { response ->
                    caller.resume(answerOf(response, sent.token != null))
                },
            )
        }

    /** The `data` of server-sent events, until the server ends the stream. */
    fun events(
        path: String,
        token: String,
    ): Flow<String> =
        callbackFlow {
            val request = requestOf(Sent("GET", path, token = token)).newBuilder().header("accept", "text/event-stream").build()
            val call = streaming.newCall(request)
            call.enqueue(
                Reading(STREAM_SILENCE_MS, { close(it) }) { response ->
                    if (!response.isSuccessful) answerOf(response, hadToken = true)
                    // A page with 200 would be the good end of a stream on which nothing happened.
                    if (response.body?.contentType()?.subtype != "event-stream") throw notOurs()
                    readEvents(response) { trySendBlocking(it) }
                    close()
                },
            )
            // A read that is blocked is only ended by ending its call.
            awaitClose { call.cancel() }
        }

    private fun answerOf(
        response: Response,
        hadToken: Boolean,
    ): JsonElement? {
        val text = response.body?.string().orEmpty()
        val body = runCatching { json.parseToJsonElement(text) }.getOrNull()
        if (response.isSuccessful && (body != null || text.isBlank())) return body
        // A page with 200, or the address of one, is a portal's, as in stadiums and hotels: the server itself was not reached.
        if (response.code < 400) throw notOurs()
        throw failureOf(response, body, hadToken)
    }

    private fun notOurs() = NetworkException("No Grandstand answered at $root.", null)

    private fun requestOf(sent: Sent): Request =
        Request
            .Builder()
            .url(addressOf(sent.path))
            .method(sent.method, bodyOf(sent))
            .apply {
                if (sent.token != null) header("authorization", "Bearer ${sent.token}")
                if (sent.idempotencyKey != null) header("idempotency-key", sent.idempotencyKey)
            }.build()

    /**
     * Addresses in answers are absolute; what counts is what follows the API's root, so that a token goes to the endpoint alone. An id
     * that is empty, `.` or `..` would make another path of it, and so another call.
     */
    private fun addressOf(path: String): HttpUrl {
        val relative = path.replace(ROOT_OF_ANY, "")
        val segments =
            relative
                .substringBefore('#')
                .substringBefore('?')
                .removeSuffix("/")
                .split('/', '\\')
        require(segments.none(NO_SEGMENT::matches)) { "An id in the path '$path' is empty, '.' or '..'." }
        return "$root$relative".toHttpUrl()
    }

    private fun bodyOf(sent: Sent): RequestBody? =
        when {
            sent.body != null ->
                sent.body
                    .toString()
                    .toByteArray()
                    .toRequestBody(JSON_TYPE)
            sent.method == "POST" || sent.method == "PATCH" || sent.method == "PUT" -> ByteArray(0).toRequestBody()
            else -> null
        }
}

private val JSON_TYPE = "application/json".toMediaType()
private val ROOT_OF_ANY = Regex("^(https?://.*?/api/v1/)?/?")
private val NO_SEGMENT = Regex("(\\.|%2[eE]){0,2}")

/** One part of a path. */
internal fun segment(id: String): String = URLEncoder.encode(id, "UTF-8").replace("+", "%20")

/** Reads the answer on a thread of the call's own. */
private class Reading(
    private val timeoutMillis: Long,
    private val fail: (Throwable) -> Unit,
    private val read: (Response) -> Unit,
) : Callback {
    override fun onFailure(
        call: Call,
        e: IOException,
    ) = fail(networkFailure(call, timeoutMillis, e))

    override fun onResponse(
        call: Call,
        response: Response,
    ) {
        try {
            response.use(read)
        } catch (error: GrandstandException) {
            fail(error)
        } catch (error: IOException) {
            onFailure(call, error)
        }
    }
}

private fun readEvents(
    response: Response,
    onData: (String) -> Unit,
) {
    val source = response.body?.source() ?: return
    val data = StringBuilder()
    while (true) {
        val line = source.readUtf8Line() ?: break
        when {
            line.startsWith("data:") -> data.append(line, 5, line.length)
            line.isEmpty() && data.isNotEmpty() -> onData(data.toString().also { data.setLength(0) })
        }
    }
}

private fun failureOf(
    response: Response,
    body: JsonElement?,
    hadToken: Boolean,
): ApiException {
    val requestId = response.header("x-request-id")
    val retryAfter = readRetryAfter(response.header("retry-after"), response.header("date"))
    if (response.code == 401 && hadToken) return InvalidTokenException(body, requestId, retryAfter)
    return ApiException(response.code, body, requestId, retryAfter)
}

/** The address without a query: what stands there may be anybody's. */
private fun networkFailure(
    call: Call,
    timeoutMillis: Long,
    cause: IOException,
): NetworkException {
    val url =
        call
            .request()
            .url
            .newBuilder()
            .query(null)
            .build()
    if (cause is InterruptedIOException) return RequestTimeoutException("No answer from $url within $timeoutMillis ms.", cause)
    return NetworkException("No answer from $url.", cause)
}

/** Whether the same request may succeed later. */
internal fun isTemporary(error: Throwable): Boolean =
    when (error) {
        is NetworkException -> true
        // 409 with Retry-After: the first request of this idempotency key is still running.
        is ApiException ->
            error.status == 429 || error.status == 408 || error.status >= 500 || (error.status == 409 && error.retryAfter != null)
        else -> false
    }

/** Milliseconds: exponential with full jitter from half a second to a minute, and never sooner than the server asked. */
internal fun backOff(
    attempt: Int,
    error: Throwable? = null,
): Long {
    val asked = ((error as? ApiException)?.retryAfter ?: 0.0) * 1000
    return (asked + Random.nextDouble() * min(60_000.0, 500.0 * (1L shl min(attempt, 10)))).toLong()
}

/** Seconds, or an HTTP date, as seconds from the instant that the server answered at: the device's clock may be wrong. */
internal fun readRetryAfter(
    text: String?,
    date: String?,
): Double? {
    if (text.isNullOrBlank()) return null
    text.trim().toDoubleOrNull()?.let { return max(0.0, it) }
    val until = readHttpDate(text) ?: return null
    return max(0.0, (until - (readHttpDate(date) ?: System.currentTimeMillis())) / 1000.0)
}

private fun readHttpDate(text: String?): Long? =
    text?.let {
        SimpleDateFormat("EEE, dd MMM yyyy HH:mm:ss zzz", Locale.US)
            .apply { timeZone = TimeZone.getTimeZone("GMT") }
            .parse(it.trim(), ParsePosition(0))
            ?.time
    }

/** `https://host/api/v1/` of what the program gave. */
private fun apiAddress(endpoint: String): HttpUrl =
    "${endpoint.trim().trimEnd('/').removeSuffix("/api/v1")}/api/v1/".toHttpUrlOrNull()
        ?: throw IllegalArgumentException("The endpoint '$endpoint' is no address such as https://fans.example.com.")
