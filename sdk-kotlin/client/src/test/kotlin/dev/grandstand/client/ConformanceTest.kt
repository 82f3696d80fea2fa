// What every client does, in every language: the cases of sdk/conformance, made with this library.

package dev.grandstand.client

import kotlinx.coroutines.async
import kotlinx.coroutines.awaitAll
import kotlinx.coroutines.flow.take
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withTimeout
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonNull
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.booleanOrNull
import kotlinx.serialization.json.contentOrNull
import kotlinx.serialization.json.int
import kotlinx.serialization.json.jsonArray
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive
import kotlinx.serialization.json.long
import kotlinx.serialization.json.longOrNull
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.DynamicTest
import org.junit.jupiter.api.TestFactory
import org.junit.jupiter.api.condition.EnabledIfEnvironmentVariable
import org.junit.jupiter.api.parallel.Execution
import org.junit.jupiter.api.parallel.ExecutionMode
import java.net.URI
import java.net.http.HttpClient
import java.net.http.HttpRequest
import java.net.http.HttpResponse
import java.time.Instant
import java.util.concurrent.CopyOnWriteArrayList

private val http: HttpClient = HttpClient.newHttpClient()

private fun ask(
    url: String,
    body: JsonElement? = null,
): JsonElement {
    val request = HttpRequest.newBuilder(URI(url))
    if (body != null) request.POST(HttpRequest.BodyPublishers.ofString(body.toString()))
    return json.parseToJsonElement(http.send(request.build(), HttpResponse.BodyHandlers.ofString()).body())
}

private val NOTHING = JsonObject(emptyMap())

private fun say(vararg fields: Pair<String, JsonElement>): JsonObject = JsonObject(mapOf(*fields))

private fun text(value: String?): JsonPrimitive = JsonPrimitive(value)

private fun textsOf(values: Iterable<String>): JsonArray = JsonArray(values.map { JsonPrimitive(it) })

private fun plain(value: JsonElement): Any? =
    when (value) {
        JsonNull -> null
        is JsonPrimitive -> if (value.isString) value.content else value.booleanOrNull ?: value.longOrNull ?: value.content.toDouble()
        is JsonArray -> value.map(::plain)
        is JsonObject -> value.mapValues { plain(it.value) }
    }

private fun errorOf(error: GrandstandException): JsonObject =
    when (error) {
        is RequestTimeoutException -> say("error" to text("Timeout"))
        is NetworkException -> say("error" to text("Network"))
        is ApiException ->
            say(
                "error" to text(if (error is InvalidTokenException) "InvalidToken" else "Api"),
                "status" to JsonPrimitive(error.status),
                "code" to text(error.code),
                "fields" to JsonObject(error.fields.mapValues { textsOf(it.value) }),
                "requestId" to text(error.requestId),
                "retryAfter" to (error.retryAfter?.let { JsonPrimitive(it.toLong()) } ?: JsonNull),
            )
    }

private fun groupOf(group: GroupMembership): JsonObject =
    say(
        "group_id" to text(group.groupId),
        "group_name" to text(group.groupName),
        "profile_count" to JsonPrimitive(group.profileCount),
        "created_at" to text(group.createdAt),
        "custom_id" to text(group.customId),
    )

private object NoStorage : KeyValueStorage {
    override fun get(key: String): String = error("nothing can be read")

    override fun set(
        key: String,
        value: String,
    ): Unit = error("nothing can be stored")

    override fun remove(key: String): Unit = error("nothing can be removed")
}

/** The client that a case is made with, as it is after each step. */
private class Device(
    case: JsonObject,
    private val endpoint: String,
) : AutoCloseable {
    private val storage = if (case["storage"]?.jsonPrimitive?.content == "fails") NoStorage else MemoryStorage()
    private val drops = CopyOnWriteArrayList<Drop>()
    private var options = case["client"]?.jsonObject ?: NOTHING
    private var client = open()

    private fun open(): GrandstandClient =
        GrandstandClient("the-app", endpoint, storage) {
            flushIntervalMillis = 3_600_000
            onDrop = { drops += it }
            for ((name, value) in options) {
                val given = value.jsonPrimitive
                when (name) {
                    "accessToken" -> accessToken = given.contentOrNull
                    "nickname" -> nickname = given.contentOrNull
                    "onInvalidToken" -> onInvalidToken = OnInvalidToken.valueOf(given.content.uppercase())
                    "timeout" -> timeoutMillis = given.long
                    "retries" -> retries = given.int
                    "maxQueue" -> maxQueue = given.int
                    "pollInterval" -> pollIntervalMillis = given.long
                    else -> error("no option $name")
                }
            }
        }

    suspend fun make(step: JsonObject): JsonElement {
        val given = step["with"]?.jsonObject ?: NOTHING

        fun textOf(name: String): String? = given[name]?.jsonPrimitive?.contentOrNull
        try {
            return when (val call = step["call"]!!.jsonPrimitive.content) {
                "init" -> own(client.init())
                "update" -> own(client.update(changesOf(given)))
                "identify" -> own(identify(textOf("token")!!, textOf("tokens")))
                "signOut" -> NOTHING.also { client.signOut() }
                "flush" -> NOTHING.also { client.flush() }
                "track" -> track(given)
                "drops" -> say("drops" to JsonArray(drops.map(::dropOf)))
                "groups" -> say("groups" to JsonArray(client.getGroups().map(::groupOf)))
                "isMember" -> say("value" to JsonPrimitive(client.isMember(textOf("group")!!)))
                "watch" -> watch(given["count"]!!.jsonPrimitive.int)
                "restart" -> restart(given)
                else -> error("no call $call")
            }
        } catch (error: GrandstandException) {
            return errorOf(error)
        }
    }

    private fun own(profile: Profile): JsonObject = say("profile" to profile.toJson(), "token" to text(client.accessToken))

    private fun changesOf(given: JsonObject): ProfileChanges =
        ProfileChanges().apply {
            given["nickname"]?.let { nickname(it.jsonPrimitive.content) }
            given["custom_data"]?.let { customData(it.jsonPrimitive.contentOrNull) }
            given["attributes"]?.let { values -> attributes(values.jsonObject.mapValues { plain(it.value) }) }
        }

    private suspend fun identify(
        token: String,
        former: String?,
    ): Profile = if (former == null) client.identify(token) else client.identify(token, FormerTokens.valueOf(former.uppercase()))

    @Suppress("UNCHECKED_CAST") // an object of JSON has such keys
    private fun track(given: JsonObject): JsonObject {
        val id =
            client.track(
                given["type"]!!.jsonPrimitive.content,
                id = given["id"]!!.jsonPrimitive.content,
                data = given["data"]?.let { plain(it) as Map<String, Any?> }.orEmpty(),
                occurredAt = given["occurredAt"]?.let { Instant.parse(it.jsonPrimitive.content) },
                value = given["value"]?.jsonPrimitive?.long,
            )
        return say("id" to text(id))
    }

    private fun dropOf(drop: Drop): JsonObject =
        say("reason" to text(drop.reason.name.lowercase()), "ids" to textsOf(drop.activities.map { it.id }))

    private suspend fun watch(count: Int): JsonObject {
        fun ids(groups: List<GroupMembership>) = textsOf(groups.map { it.groupId })
        val changes = withTimeout(30_000) { client.groupChanges().take(count).toList() }
        return say(
            "changes" to
                JsonArray(changes.map { say("groups" to ids(it.groups), "entered" to ids(it.entered), "left" to ids(it.left)) }),
        )
    }

    private suspend fun restart(changed: JsonObject): JsonObject {
        client.closeAndWait()
        options = JsonObject(options + changed)
        client = open()
        return NOTHING
    }

    override fun close() = client.close()
}

@EnabledIfEnvironmentVariable(named = "GRANDSTAND_TEST_PLAYER", matches = ".+")
class ConformanceTest {
    private val player = System.getenv("GRANDSTAND_TEST_PLAYER").orEmpty()

    @TestFactory
    @Execution(ExecutionMode.CONCURRENT)
    fun cases(): List<DynamicTest> =
        ask("$player/cases").jsonArray.map { it.jsonObject }.map { case ->
            val name = case["name"]!!.jsonPrimitive.content
            DynamicTest.dynamicTest(name) { assertEquals(emptyList<String>(), play(name, case)) }
        }

    private fun play(
        name: String,
        case: JsonObject,
    ): List<String> {
        val endpoint = ask("$player/runs", say("case" to text(name))).jsonObject["endpoint"]!!.jsonPrimitive.content
        val outcomes =
            Device(case, endpoint).use { device ->
                runBlocking {
                    case["steps"]!!.jsonArray.map { it.jsonObject }.map { step ->
                        val times = step["times"]?.jsonPrimitive?.int ?: 1
                        JsonArray(List(times) { async { device.make(step) } }.awaitAll())
                    }
                }
            }
        val judged = ask("$endpoint/outcomes", JsonArray(outcomes)).jsonObject
        return judged["problems"]!!.jsonArray.map { it.jsonPrimitive.content }
    }
}
