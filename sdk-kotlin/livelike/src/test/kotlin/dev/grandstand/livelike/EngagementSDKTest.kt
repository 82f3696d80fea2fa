package dev.grandstand.livelike

import android.content.Context
import dev.grandstand.client.MemoryStorage
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertNotEquals
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.condition.EnabledIfEnvironmentVariable
import org.junit.jupiter.api.io.TempDir
import java.io.File
import java.util.concurrent.CompletableFuture
import java.util.concurrent.LinkedBlockingQueue
import java.util.concurrent.TimeUnit

private val url: String = System.getenv("GRANDSTAND_TEST_URL").orEmpty()
private val clientId: String = System.getenv("GRANDSTAND_TEST_CLIENT_ID").orEmpty()

/** As an app keeps its token in its preferences. */
private class Preferences : AccessTokenDelegate {
    @Volatile var token: String? = null

    override fun getAccessToken(): String? = token

    override fun storeAccessToken(accessToken: String?) {
        token = accessToken
    }
}

private class Errors : ErrorDelegate() {
    val said = LinkedBlockingQueue<String>()

    override fun onError(error: String) {
        said.add(error)
    }
}

private fun <T : Any> LinkedBlockingQueue<T>.next(): T = checkNotNull(poll(30, TimeUnit.SECONDS)) { "nothing came" }

private fun IEngagement.details(): CompletableFuture<Pair<LiveLikeUserApi?, String?>> {
    val answer = CompletableFuture<Pair<LiveLikeUserApi?, String?>>()
    getCurrentUserDetails(
        object : LiveLikeCallback<LiveLikeUserApi>() {
            override fun onResponse(
                result: LiveLikeUserApi?,
                error: String?,
            ) {
                answer.complete(result to error)
            }
        },
    )
    return answer
}

@EnabledIfEnvironmentVariable(named = "GRANDSTAND_TEST_URL", matches = ".+")
class EngagementSDKTest {
    @TempDir lateinit var folder: File
    private val applicationContext by lazy { Context(folder) }

    @Test
    fun `the documents' Kotlin runs with the import changed`() {
        val accessTokenDelegate = Preferences()
        EngagementSDK.defaultOriginURL = url
        val sdk = EngagementSDK(clientId, applicationContext, accessTokenDelegate = accessTokenDelegate)
        val users = LinkedBlockingQueue<Pair<String, LiveLikeUserApi>>()
        sdk.userStream.subscribe(this) { user -> user?.let { users.add(Thread.currentThread().name to it) } }
        val (thread, made) = users.next()
        assertEquals("main of the phone", thread)
        assertEquals(made.accessToken, sdk.userAccessToken)
        sdk.updateChatNickname("Ada")
        sdk.updateChatNickname("Grace")
        val names = generateSequence { users.next().second.nickname }.takeWhile { it != "Grace" }.toList()
        assertTrue(names.all { it == "Ada" }, "the last one counts: $names")
        assertEquals("Grace", sdk.userStream.latest()?.nickname)
        val (result, error) = sdk.details().get(30, TimeUnit.SECONDS)
        assertEquals(listOf(made.userId, "Grace", null), listOf(result?.userId, result?.nickname, error))
        assertEquals(made.accessToken, accessTokenDelegate.token)
        assertFalse(made.accessToken in made.toString())
        val newer = CompletableFuture<String?>()
        sdk.profile().getCurrentUserDetails { current, _ -> newer.complete(current?.userId) }
        assertEquals(made.userId, newer.get(30, TimeUnit.SECONDS))
        sdk.close()

        val again = EngagementSDK(clientId, applicationContext, accessTokenDelegate = accessTokenDelegate)
        assertEquals(
            made.userId,
            again
                .details()
                .get(30, TimeUnit.SECONDS)
                .first
                ?.userId,
        )
        again.close()
        accessTokenDelegate.token = null // as an app does when its user signs out
        val next = EngagementSDK(clientId, applicationContext, accessTokenDelegate = accessTokenDelegate)
        assertNotEquals(
            made.userId,
            next
                .details()
                .get(30, TimeUnit.SECONDS)
                .first
                ?.userId,
        )
        next.close()
        val files = folder.walk().filter { it.isFile }.joinToString { it.readText() }
        assertFalse(
            made.accessToken in files || accessTokenDelegate.token!! in files,
            "the token stands where the app keeps it, and nowhere else",
        )
    }

    @Test
    fun `without a delegate the app's folder keeps the fan`() {
        val ids =
            List(2) {
                val sdk = EngagementSDK(clientId, Context(folder), Errors(), url)
                sdk
                    .details()
                    .get(30, TimeUnit.SECONDS)
                    .first
                    ?.userId
                    .also { sdk.close() }
            }
        assertEquals(1, ids.toSet().size)
    }

    @Test
    fun `errors are told and never thrown`() {
        val errors = Errors()
        val dead = Preferences().apply { token = "no-token" }
        val sdk = EngagementSDK(clientId, MemoryStorage(), errors, url, dead)
        assertTrue(errors.said.next().startsWith("Network error or invalid access token"))
        val (result, error) = sdk.details().get(30, TimeUnit.SECONDS)
        assertEquals(null, result)
        assertTrue(error!!.startsWith("Network error or invalid access token"))
        assertEquals("no-token", dead.token)
        sdk.close()

        val fan = EngagementSDK(clientId, MemoryStorage(), errors, url)
        errors.said.clear()
        fan.updateChatNickname("x".repeat(101))
        assertTrue("nickname" in errors.said.next())
        fan.close()
        val locked =
            object : AccessTokenDelegate {
                override fun getAccessToken(): String = error("the keystore is locked")

                override fun storeAccessToken(accessToken: String?) = Unit
            }
        val behind = EngagementSDK(clientId, MemoryStorage(), errors, url, locked)
        assertEquals("the keystore is locked", errors.said.next())
        behind.close()
        EngagementSDK.defaultOriginURL = null
        assertThrows(IllegalArgumentException::class.java) { EngagementSDK(clientId, MemoryStorage()) }
    }
}
