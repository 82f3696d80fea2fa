// What the tests share: the real server that `node scripts/test-kotlin.mjs` starts, and what a back end would do there.

package dev.grandstand.client

import kotlinx.coroutines.delay
import kotlinx.coroutines.withTimeout
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.int
import kotlinx.serialization.json.jsonArray
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive
import java.net.URI
import java.net.http.HttpClient
import java.net.http.HttpRequest
import java.net.http.HttpResponse
import java.util.Base64
import java.util.UUID
import javax.crypto.Mac
import javax.crypto.spec.SecretKeySpec

object RealServer {
    val url: String = System.getenv("GRANDSTAND_TEST_URL").orEmpty()
    val clientId: String = System.getenv("GRANDSTAND_TEST_CLIENT_ID").orEmpty()
    private val clientSecret: String = System.getenv("GRANDSTAND_TEST_CLIENT_SECRET").orEmpty()
    private val adminToken: String = System.getenv("GRANDSTAND_TEST_ADMIN_TOKEN").orEmpty()
    private val control: String = System.getenv("GRANDSTAND_TEST_CONTROL").orEmpty()
    private val http: HttpClient = HttpClient.newHttpClient()

    fun client(
        storage: KeyValueStorage = MemoryStorage(),
        endpoint: String = url,
        configure: ClientConfig.() -> Unit = {},
    ): GrandstandClient = GrandstandClient(clientId, endpoint, storage, configure)

    fun admin(
        method: String,
        path: String,
        body: String? = null,
    ): JsonElement? = call("$url/api/v1/$path", method, body)

    /** `kill` ends the server as a power cut does, `start` brings it back at the same address. */
    fun control(command: String) {
        call("$control/$command", "POST", null)
    }

    private fun call(
        address: String,
        method: String,
        body: String?,
    ): JsonElement? {
        val sent = if (body == null) HttpRequest.BodyPublishers.noBody() else HttpRequest.BodyPublishers.ofString(body)
        val request =
            HttpRequest
                .newBuilder(URI(address))
                .method(method, sent)
                .header("authorization", "Bearer $adminToken")
                .header("content-type", "application/json")
                .build()
        val answer = http.send(request, HttpResponse.BodyHandlers.ofString())
        check(answer.statusCode() in 200..299) { "$method $address: ${answer.statusCode()} ${answer.body()}" }
        return answer.body().ifEmpty { null }?.let { json.parseToJsonElement(it) }
    }

    fun countProfiles(): Int = admin("GET", "applications/$clientId/profiles/?page_size=1")!!.jsonObject["count"]!!.jsonPrimitive.int

    fun activities(profileId: String): List<JsonObject> =
        admin("GET", "applications/$clientId/profiles/$profileId/activities/?page_size=100")!!
            .jsonObject["results"]!!
            .jsonArray
            .map { it.jsonObject }

    fun idsOf(profileId: String): List<String> = activities(profileId).map { it["id"]!!.jsonPrimitive.content }.sorted()

    fun makeGroup(name: String): String =
        admin("POST", "applications/$clientId/profile-groups/", """{"name": "$name", "custom_id": "$name"}""")!!
            .jsonObject["id"]!!
            .jsonPrimitive.content

    fun setMember(
        group: String,
        profileId: String,
        isMember: Boolean,
    ) {
        val body = JsonObject(mapOf("profile_ids" to JsonArray(listOf(JsonPrimitive(profileId))))).toString()
        admin(if (isMember) "POST" else "DELETE", "applications/$clientId/profile-groups/$group/members/", body)
    }

    /** As a back end signs for its account. */
    fun sign(customId: String): String {
        val encode = Base64.getUrlEncoder().withoutPadding()
        val head = encode.encodeToString("""{"alg":"HS256","typ":"JWT"}""".toByteArray())
        val now = System.currentTimeMillis() / 1000
        val claims = """{"iss":"$clientId","iat":$now,"custom_profile_id":"$customId"}"""
        val signed = "$head.${encode.encodeToString(claims.toByteArray())}"
        val mac = Mac.getInstance("HmacSHA256").apply { init(SecretKeySpec(clientSecret.toByteArray(), "HmacSHA256")) }
        return "$signed.${encode.encodeToString(mac.doFinal(signed.toByteArray()))}"
    }
}

fun unique(name: String): String = "$name-${UUID.randomUUID()}"

/** Asks until it is so; there is no other signal to wait on. */
suspend fun eventually(isSo: suspend () -> Boolean): Unit =
    withTimeout(30_000) {
        while (!isSo()) delay(10)
    }
