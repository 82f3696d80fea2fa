// The client against the real server, and against a network and a storage that fail.

package dev.grandstand.client

import com.sun.net.httpserver.HttpServer
import dev.grandstand.client.FaultProxy.Fault
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.async
import kotlinx.coroutines.awaitAll
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withContext
import kotlinx.coroutines.withTimeout
import kotlinx.serialization.json.jsonPrimitive
import okhttp3.Interceptor
import okhttp3.MediaType.Companion.toMediaType
import okhttp3.OkHttpClient
import okhttp3.ResponseBody.Companion.toResponseBody
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertInstanceOf
import org.junit.jupiter.api.Assertions.assertNotEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.condition.EnabledIfEnvironmentVariable
import org.junit.jupiter.api.io.TempDir
import java.io.File
import java.net.InetAddress
import java.net.InetSocketAddress
import java.time.Clock
import java.time.Duration
import java.time.Instant
import java.util.concurrent.CopyOnWriteArrayList
import java.util.concurrent.LinkedBlockingQueue
import java.util.concurrent.TimeUnit

suspend inline fun <reified T : Throwable> failsWith(crossinline work: suspend () -> Unit): T {
    val error = runCatching { work() }.exceptionOrNull()
    return assertInstanceOf(T::class.java, error)
}

@EnabledIfEnvironmentVariable(named = "GRANDSTAND_TEST_URL", matches = ".+")
class ClientTest {
    @TempDir lateinit var folder: File

    @Test
    fun `a fan begins, changes the profile, and does something`(): Unit =
        runBlocking {
            RealServer.client().use { fan ->
                val profile = fan.init()
                assertEquals(profile, fan.profile.value)
                val changed =
                    fan.update {
                        nickname("Ada")
                        customData("{\"a\" : 1}")
                    }
                assertEquals(changed, fan.profile.value)
                assertEquals(listOf(profile.id, "Ada", "{\"a\" : 1}"), listOf(changed.id, changed.nickname, changed.customData))
                assertEquals("Ada", fan.refresh().nickname)
                assertEquals("Ada", fan.getProfile(profile.id).nickname)
                val first = fan.track("poll-voted", mapOf("poll" to "p1"))
                val second = fan.track("poll-voted", occurredAt = Instant.now().minusSeconds(60))
                fan.flush()
                assertEquals(listOf(first, second).sorted(), RealServer.idsOf(profile.id))
                val kept = RealServer.activities(profile.id).first { it["id"]!!.jsonPrimitive.content == first }
                assertEquals("""{"poll":"p1"}""", kept["data"].toString())
            }
        }

    @Test
    fun `a hundred inits at once make one profile, by one client and by many`(): Unit =
        runBlocking {
            val before = RealServer.countProfiles()
            val one = RealServer.client(FileStorage(folder))
            val many = List(50) { RealServer.client(FileStorage(File(folder, "."))) }
            val ids =
                withContext(Dispatchers.Default) { (List(50) { one } + many).map { async { it.init().id } }.awaitAll().toSet() }
            assertEquals(1, ids.size)
            assertEquals(before + 1, RealServer.countProfiles())
            (many + one).forEach { it.close() }
        }

    @Test
    fun `an answer that was lost makes no second profile, also after a restart`(): Unit =
        runBlocking {
            FaultProxy(RealServer.url).use { network ->
                val before = RealServer.countProfiles()
                network.fault = Fault.LOSE_ANSWER
                val lost = RealServer.client(FileStorage(folder), network.url) { retries = 0 }
                failsWith<NetworkException> { lost.init() }
                eventually { RealServer.countProfiles() == before + 1 }
                lost.close()
                network.fault = Fault.NONE
                val fan = RealServer.client(FileStorage(folder), network.url)
                fan.init()
                assertEquals(before + 1, RealServer.countProfiles())
                network.fault = Fault.LOSE_REQUEST
                val offline = RealServer.client(FileStorage(folder), network.url) { retries = 0 }
                assertEquals(fan.profile.value?.id, offline.init().id)
            }
        }

    @Test
    fun `what was tracked survives a server that is killed and a client that is closed, and counts once`(): Unit =
        runBlocking {
            val fan =
                RealServer.client(FileStorage(folder)) {
                    retries = 0
                    flushIntervalMillis = 3_600_000
                }
            val profile = fan.init()
            val ids = List(90) { fan.track("poll-voted") }
            RealServer.control("kill")
            try {
                failsWith<NetworkException> { fan.flush() }
                fan.track("session-started", id = "last")
                fan.closeAndWait()
            } finally {
                RealServer.control("start")
            }
            val again = RealServer.client(FileStorage(folder))
            assertEquals(profile.id, again.init().id)
            again.flush()
            val count =
                RealServer
                    .admin(
                        "GET",
                        "applications/${RealServer.clientId}/profiles/${profile.id}/activities/?page_size=1",
                    ).toString()
            assertTrue(count.startsWith("""{"count":${ids.size + 1},"""), count)
            eventually { folder.list().orEmpty().none { "queue" in it } }
        }

    @Test
    fun `a server that stalls is a timeout, and cancelling ends the call at once`(): Unit =
        runBlocking {
            FaultProxy(RealServer.url).use { network ->
                val fan =
                    RealServer.client(endpoint = network.url) {
                        retries = 0
                        timeoutMillis = 4000
                    }
                fan.init()
                network.fault = Fault.STALL
                failsWith<RequestTimeoutException> { fan.refresh() }
                val before = network.requests.get()
                val call = launch(Dispatchers.Default) { fan.refresh() }
                eventually { network.requests.get() > before }
                withTimeout(3000) { call.cancelAndJoin() }
                network.fault = Fault.NONE
                fan.refresh()
                fan.close()
            }
        }

    @Test
    fun `a caller who gives up takes nothing from the others`(): Unit =
        runBlocking {
            FaultProxy(RealServer.url).use { network ->
                network.fault = Fault.STALL
                val fan =
                    RealServer.client(endpoint = network.url) {
                        timeoutMillis = 20_000
                        retries = 5
                    }
                val first = launch(Dispatchers.Default) { fan.init() }
                eventually { network.requests.get() > 0 }
                val second = async(Dispatchers.Default) { fan.init() }
                first.cancelAndJoin()
                network.fault = Fault.NONE
                assertEquals(second.await().id, fan.init().id)
                fan.close()
            }
        }

    @Test
    fun `a clock that is wrong loses nothing`(): Unit =
        runBlocking {
            for (days in listOf(-40L, 40L)) {
                val drops = CopyOnWriteArrayList<Drop>()
                val fan =
                    RealServer.client {
                        clock = Clock.offset(Clock.systemUTC(), Duration.ofDays(days))
                        onDrop = { drops += it }
                    }
                val id = fan.track("poll-voted")
                val profile = fan.init()
                fan.flush()
                assertEquals(listOf(id), RealServer.idsOf(profile.id))
                val at =
                    Instant.parse(
                        RealServer
                            .activities(profile.id)
                            .single()["occurred_at"]!!
                            .jsonPrimitive.content,
                    )
                assertTrue(Duration.between(at, Instant.now()).abs() < Duration.ofMinutes(5))
                assertEquals(emptyList<Drop>(), drops.toList())
                fan.close()
            }
        }

    @Test
    fun `a storage that fails costs only what outlives the app`(): Unit =
        runBlocking {
            val broken =
                object : KeyValueStorage {
                    override fun get(key: String): String = error("no")

                    override fun set(
                        key: String,
                        value: String,
                    ): Unit = error("no")

                    override fun remove(key: String): Unit = error("no")
                }
            val before = RealServer.countProfiles()
            val fan = RealServer.client(broken)
            val profile = fan.init()
            fan.track("poll-voted")
            fan.flush()
            assertEquals(1, RealServer.idsOf(profile.id).size)
            assertEquals(profile.id, RealServer.client(broken).init().id)
            assertEquals(before + 1, RealServer.countProfiles())
        }

    @Test
    fun `a token that is rotated under way costs nothing that was done`(): Unit =
        runBlocking {
            val storage = MemoryStorage()
            val fan = RealServer.client(storage) { flushIntervalMillis = 3_600_000 }
            val profile = fan.init()
            val first = fan.track("poll-voted")
            val rotated = RealServer.admin("POST", "profiles/${profile.id}/access-tokens/", "{}").toString()
            failsWith<InvalidTokenException> { fan.flush() }
            failsWith<InvalidTokenException> { fan.groups().first() }
            val token = Regex("\"access_token\":\"([^\"]+)\"").find(rotated)!!.groupValues[1]
            fan.closeAndWait()
            val next = RealServer.client(storage) { accessToken = token }
            val second = next.track("poll-voted")
            assertEquals(profile.id, next.init().id)
            next.flush()
            assertEquals(listOf(first, second).sorted(), RealServer.idsOf(profile.id))
        }

    @Test
    fun `a dead token is an error, or a new profile where that was chosen`(): Unit =
        runBlocking {
            val storage = MemoryStorage()
            val erased = RealServer.client(storage).init()
            RealServer.admin("DELETE", "profiles/${erased.id}/")
            val error = failsWith<InvalidTokenException> { RealServer.client(storage).init() }
            assertEquals(listOf(401, "authentication_failed", true), listOf(error.status, error.code, error.requestId != null))
            val anew = RealServer.client(storage) { onInvalidToken = OnInvalidToken.CREATE }.init()
            assertNotEquals(erased.id, anew.id)
        }

    @Test
    fun `signing in takes the anonymous fan along, and signing out leaves nobody`(): Unit =
        runBlocking {
            val storage = FileStorage(folder)
            val fan = RealServer.client(storage) { flushIntervalMillis = 3_600_000 }
            fan.init()
            val sent = fan.track("poll-voted")
            fan.flush()
            val waiting = fan.track("poll-voted")
            val name = unique("fan")
            val account = fan.identify(RealServer.sign(name))
            assertEquals(name, account.customId)
            fan.flush()
            assertEquals(listOf(sent, waiting).sorted(), RealServer.idsOf(account.id))
            assertEquals(account.id, RealServer.client(storage).init().id)
            fan.signOut()
            assertEquals(null, fan.accessToken)
            failsWith<IllegalStateException> { fan.refresh() }
            assertNotEquals(account.id, RealServer.client(storage).init().id)
        }

    @Test
    fun `what one account did is never sent as another's, also while the account changes`(): Unit =
        runBlocking {
            val storage = SlowStorage()
            val names = List(2) { RealServer.sign(unique("fan")) }
            val fan =
                RealServer.client(storage) {
                    accessToken = names[0]
                    flushIntervalMillis = 3_600_000
                }
            val first = fan.init()
            val id = fan.track("poll-voted")
            storage.isHeld = true
            val changing = async(Dispatchers.Default) { fan.identify(names[1]) }
            eventually { fan.accessToken == names[1] }
            fan.flush()
            storage.isHeld = false
            val second = changing.await()
            fan.flush()
            assertEquals(emptyList<String>(), RealServer.idsOf(second.id))
            fan.identify(names[0])
            fan.flush()
            assertEquals(listOf(id), RealServer.idsOf(first.id))
            fan.close()
        }

    @Test
    fun `own groups are followed by whoever is the fan`(): Unit =
        runBlocking {
            val group = RealServer.makeGroup(unique("group"))
            val fan = RealServer.client()
            val changes = LinkedBlockingQueue<GroupsChange>()
            val memberships = LinkedBlockingQueue<Boolean>()
            val watching =
                launch(Dispatchers.Default) {
                    launch { fan.groupChanges().collect { changes.add(it) } }
                    launch { fan.membership(group).collect { memberships.add(it) } }
                }

            fun next() = withTimeoutOf(changes)
            val guest = fan.init()
            assertEquals(GroupsChange(emptyList(), emptyList(), emptyList()), next())
            RealServer.setMember(group, guest.id, true)
            assertEquals(listOf(group), next().entered.map { it.groupId })
            assertTrue(fan.isMember(group))
            RealServer.setMember(group, guest.id, false)
            assertEquals(listOf(group), next().left.map { it.groupId })
            val token = RealServer.sign(unique("fan"))
            val account = RealServer.client { accessToken = token }.init()
            RealServer.setMember(group, account.id, true)
            fan.identify(token)
            assertEquals(listOf(group), next().entered.map { it.groupId })
            fan.signOut()
            assertEquals(listOf(group), next().left.map { it.groupId })
            watching.cancelAndJoin()
            assertEquals(listOf(false, true, false, true, false), memberships.toList())
            fan.close()
        }

    @Test
    fun `tokens stand where they are meant to, and in no text`(): Unit =
        runBlocking {
            val secrets =
                object : TokenStorage {
                    @Volatile var token: String? = null

                    override fun load() = token

                    override fun store(token: String?) {
                        this.token = token
                    }
                }
            val fan = RealServer.client(FileStorage(folder)) { tokenStorage = secrets }
            val profile = fan.init()
            val token = fan.accessToken!!
            assertEquals(token, secrets.token)
            assertFalse(folder.walk().filter { it.isFile }.any { token in it.readText() })
            assertFalse(token in profile.toString() + fan.toString())
            val error = failsWith<ApiException> { fan.setNickname("") }
            assertFalse(token in error.stackTraceToString())
            secrets.token = null
            assertNotEquals(profile.id, RealServer.client(FileStorage(folder)) { tokenStorage = secrets }.init().id)
        }

    @Test
    fun `a keystore is not written again at each start`(): Unit =
        runBlocking {
            val written = CopyOnWriteArrayList<String?>()
            val keystore =
                object : TokenStorage {
                    override fun load() = written.lastOrNull()

                    override fun store(token: String?) {
                        written += token
                    }
                }
            val ids = List(3) { RealServer.client(FileStorage(folder)) { tokenStorage = keystore }.init().id }
            assertEquals(1, ids.toSet().size)
            assertEquals(1, written.size)
        }

    @Test
    fun `a token goes to no other host`(): Unit =
        runBlocking {
            val heard = CopyOnWriteArrayList<String>()
            val elsewhere = HttpServer.create(InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0)
            elsewhere.createContext("/") { exchange ->
                heard += exchange.requestURI.toString()
                exchange.sendResponseHeaders(200, -1)
                exchange.close()
            }
            elsewhere.start()
            val host = "http://127.0.0.1:${elsewhere.address.port}"
            val fan = RealServer.client()
            val profile = fan.init()
            val asked = listOf("$host/api/v1/profiles/${profile.id}/", "/profiles/${profile.id}/", "profiles/${profile.id}/")
            for (path in asked) assertEquals(profile.id, fan.request("GET", path)?.text("id"))
            for (path in listOf(host, "//127.0.0.1:${elsewhere.address.port}/", "profiles/%2E%2e/", "profiles//", "")) {
                failsWith<IllegalArgumentException> { fan.request("GET", path) }
            }
            for (id in listOf("", ".", "..")) failsWith<IllegalArgumentException> { fan.getProfile(id) }
            assertEquals(404, failsWith<ApiException> { fan.getProfile("$host/?a b#ü") }.status)
            elsewhere.stop(0)
            assertEquals(emptyList<String>(), heard.toList())
        }

    @Test
    fun `a portal that sends elsewhere costs nothing that was done`(): Unit =
        runBlocking {
            FaultProxy(RealServer.url).use { network ->
                val storage = MemoryStorage()
                val drops = CopyOnWriteArrayList<Drop>()
                val options: ClientConfig.() -> Unit = {
                    retries = 0
                    flushIntervalMillis = 3_600_000
                    onDrop = { drops += it }
                }
                val fan = RealServer.client(storage, network.url, options)
                val profile = fan.init()
                val ids = List(2) { fan.track("poll-voted") }
                network.fault = Fault.PORTAL
                failsWith<NetworkException> { fan.flush() }
                assertEquals(profile.id, RealServer.client(storage, network.url, options).init().id)
                network.fault = Fault.NONE
                fan.flush()
                assertEquals(ids.sorted(), RealServer.idsOf(profile.id))
                assertEquals(emptyList<Drop>(), drops.toList())
            }
        }

    @Test
    fun `own groups are asked for where a portal answers instead of the stream`(): Unit =
        runBlocking {
            val group = RealServer.makeGroup(unique("group"))
            val page = "<html>Our terms</html>".toResponseBody("text/html".toMediaType())
            val portal =
                Interceptor { chain ->
                    val answer = chain.proceed(chain.request())
                    if (chain
                            .request()
                            .url.encodedPath
                            .endsWith("/events/")
                    ) {
                        answer.newBuilder().body(page).build()
                    } else {
                        answer
                    }
                }
            val fan =
                RealServer.client {
                    httpClient = OkHttpClient.Builder().addNetworkInterceptor(portal).build()
                    pollIntervalMillis = 10
                }
            val profile = fan.init()
            val member = async(Dispatchers.Default) { fan.membership(group).first { it } }
            RealServer.setMember(group, profile.id, true)
            assertTrue(withTimeout(30_000) { member.await() })
            fan.close()
        }

    @Test
    fun `calls out of their order say so`(): Unit =
        runBlocking {
            val fan = RealServer.client()
            assertEquals("Call init first.", failsWith<IllegalStateException> { fan.refresh() }.message)
            fan.init()
            fan.closeAndWait()
            failsWith<IllegalStateException> { fan.init() }
            failsWith<IllegalStateException> { fan.refresh() }
            failsWith<IllegalArgumentException> { GrandstandClient("a/b", RealServer.url, MemoryStorage()) }
            failsWith<IllegalArgumentException> { GrandstandClient("the-app", "fans.example.com", MemoryStorage()) }
        }
}

private fun <T : Any> withTimeoutOf(queue: LinkedBlockingQueue<T>): T = checkNotNull(queue.poll(30, TimeUnit.SECONDS)) { "nothing came" }

/** Holds up what is written, as a flash that is busy does. */
private class SlowStorage : KeyValueStorage {
    private val items = MemoryStorage()

    @Volatile var isHeld = false

    override fun get(key: String): String? = items.get(key)

    override fun set(
        key: String,
        value: String,
    ) {
        while (isHeld) Thread.yield()
        items.set(key, value)
    }

    override fun remove(key: String) = items.remove(key)
}
