// One request: where it goes, what it carries, how often it is tried and what it fails with. Every other part speaks
// through it. A request that may be repeated without harm is; a POST becomes one by its Idempotency-Key.

package dev.grandstand.client

import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.awaitCancellation
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.currentCoroutineContext
import kotlinx.coroutines.delay
import kotlinx.coroutines.ensureActive
import kotlinx.coroutines.launch
import kotlinx.coroutines.suspendCancellableCoroutine
import kotlinx.coroutines.withContext
import kotlinx.serialization.json.JsonElement
import okhttp3.Call
import okhttp3.Callback
import okhttp3.Dispatcher
import okhttp3.HttpUrl
import okhttp3.HttpUrl.Companion.toHttpUrlOrNull
import okhttp3.MediaType.Companion.toMediaType
import okhttp3.OkHttpClient
import okhttp3.Request
import okhttp3.RequestBody
import okhttp3.RequestBody.Companion.toRequestBody
import okhttp3.Response
import okio.BufferedSource
import java.io.IOException
import java.io.InterruptedIOException
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
    val idempotencyKey: String? = null,
)

internal class Http(
    endpoint: String,
    config: ClientConfig,
) {
    /** `https://host/api/v1/` */
    val root: HttpUrl = apiAddress(endpoint)

    // What says "elsewhere" is an answer like any other: no token goes to an address that it names.
    private val client =
        (config.httpClient ?: sharedClient)
            .newBuilder()
            .followRedirects(false)
            .callTimeout(config.timeoutMillis, TimeUnit.MILLISECONDS)
            .connectTimeout(config.timeoutMillis, TimeUnit.MILLISECONDS)
            .readTimeout(config.timeoutMillis, TimeUnit.MILLISECONDS)
            .build()
    private val streaming =
        client
            .newBuilder()
            .callTimeout(0, TimeUnit.MILLISECONDS)
            .readTimeout(STREAM_SILENCE_MS, TimeUnit.MILLISECONDS)
            .build()
    private val retries = config.retries
    private val timeoutMillis = config.timeoutMillis

    /** The JSON of a good answer, null where there is none. */
    suspend fun request(
        sent: Sent,
        retries: Int = this.retries,
    ): JsonElement? {
        val mayRepeat = sent.method != "POST" || sent.idempotencyKey != null
        var attempt = 0
        while (true) {
            try {
                return send(sent)
            } catch (error: GrandstandException) {
                if (!mayRepeat || attempt >= retries || !isTemporary(error)) throw error
                val wait = backOff(attempt++, error)
                if (wait > LONGEST_WAIT_MS) throw error
                delay(wait)
            }
        }
    }

    private suspend fun send(sent: Sent): JsonElement? {
        val (status, text, failure) =
            client.newCall(build(sent)).answer(timeoutMillis) { response ->
                Triple(response.code, response.body?.string().orEmpty(), failureOf(response))
            }
        // Answers of a megabyte are read beside the caller's thread, which may be the one that draws.
        val body = withContext(Dispatchers.Default) { runCatching { json.parseToJsonElement(text) }.getOrNull() }
        // A page with 200 is a portal's, as in stadiums and hotels: the server itself was not reached.
        if (status in 200..299 && body == null && text.isNotBlank()) throw NetworkException("No Grandstand answered at $root.", null)
        if (status in 200..299) return body
        throw failure(status, body, sent.token != null)
    }

    /** Hands out the `data` of server-sent events until the server ends the stream. */
    suspend fun stream(
        path: String,
        token: String?,
        onData: suspend (String) -> Unit,
    ) {
        val request = build(Sent("GET", path, token = token)).newBuilder().header("accept", "text/event-stream").build()
        val call = streaming.newCall(request)
        val response = call.answer(STREAM_SILENCE_MS) { it }
        response.use {
            if (!response.isSuccessful) {
                val text = withContext(Dispatchers.IO) { runCatching { response.body?.string() }.getOrNull().orEmpty() }
                val body = runCatching { json.parseToJsonElement(text) }.getOrNull()
                throw failureOf(response)(response.code, body, token != null)
            }
            val source = response.body?.source() ?: return
            val data = StringBuilder()
            call.endedWithCaller {
                while (true) {
                    val line = withContext(Dispatchers.IO) { readLine(call, source) } ?: break
                    when {
                        line.startsWith("data:") -> data.append(line.substring(5).trim())
                        line.isEmpty() && data.isNotEmpty() -> onData(data.toString().also { data.setLength(0) })
                    }
                }
            }
        }
    }

    private fun build(sent: Sent): Request =
        Request
            .Builder()
            .url(root.resolve(sent.path) ?: throw IllegalArgumentException("'${sent.path}' is no path."))
            .method(sent.method, bodyOf(sent))
            .apply {
                if (sent.token != null) header("authorization", "Bearer ${sent.token}")
                if (sent.idempotencyKey != null) header("idempotency-key", sent.idempotencyKey)
            }.build()

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

private fun failureOf(response: Response): (Int, JsonElement?, Boolean) -> ApiException {
    val requestId = response.header("x-request-id")
    val retryAfter = readRetryAfter(response.header("retry-after"), response.header("date"))
    return { status, body, hadToken ->
        if (status == 401 && hadToken) {
            InvalidTokenException(body, requestId, retryAfter)
        } else {
            ApiException(status, body, requestId, retryAfter)
        }
    }
}

/** Waits for the answer and reads it on a thread of the call's own; cancelling the caller cancels the call. */
private suspend fun <T> Call.answer(
    timeoutMillis: Long,
    read: (Response) -> T,
): T =
    suspendCancellableCoroutine { caller ->
        caller.invokeOnCancellation { cancel() }
        enqueue(
            object : Callback {
                override fun onFailure(
                    call: Call,
                    e: IOException,
                ) {
                    caller.resumeWithException(networkFailure(call, timeoutMillis, e))
                }

                override fun onResponse(
                    call: Call,
                    response: Response,
                ) {
                    try {
                        val answer = read(response)
                        caller.resume(answer) { _, _, _ -> response.close() }
                    } catch (error: IOException) {
                        response.close()
                        caller.resumeWithException(networkFailure(call, timeoutMillis, error))
                    }
                }
            },
        )
    }

/** A read that is blocked is only ended by ending its call. */
private suspend fun Call.endedWithCaller(work: suspend () -> Unit): Unit =
    coroutineScope {
        val call = this@endedWithCaller
        val watch =
            launch(start = CoroutineStart.UNDISPATCHED) {
                try {
                    awaitCancellation()
                } finally {
                    call.cancel()
                }
            }
        work()
        watch.cancel()
    }

private suspend fun readLine(
    call: Call,
    source: BufferedSource,
): String? =
    try {
        source.readUtf8Line()
    } catch (error: IOException) {
        currentCoroutineContext().ensureActive()
        throw networkFailure(call, STREAM_SILENCE_MS, error)
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

/** One part of a path. URLs take out what is empty, `.` or `..`, and the call would be another one. */
internal fun segment(id: String): String {
    require(id.isNotEmpty() && id != "." && id != "..") { "An id in a path is empty, '.' or '..'." }
    return HttpUrl
        .Builder()
        .scheme("http")
        .host("x")
        .addPathSegment(id)
        .build()
        .encodedPath
        .substring(1)
}
