package dev.grandstand.client

import kotlinx.coroutines.runBlocking
import kotlinx.serialization.json.jsonPrimitive
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.condition.EnabledIfEnvironmentVariable
import java.time.Instant

@EnabledIfEnvironmentVariable(named = "GRANDSTAND_TEST_URL", matches = ".+")
class ClientTest {
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
                assertEquals(listOf(profile.id, "Ada", "{\"a\" : 1}"), listOf(changed.id, changed.nickname, changed.customData))
                assertEquals("Ada", fan.refresh().nickname)
                val first = fan.track("poll-voted", mapOf("poll" to "p1"))
                val second = fan.track("poll-voted", occurredAt = Instant.now().minusSeconds(60))
                fan.flush()
                assertEquals(listOf(first, second).sorted(), RealServer.idsOf(profile.id))
                val kept = RealServer.activities(profile.id).first { it["id"]!!.jsonPrimitive.content == first }
                assertEquals("""{"poll":"p1"}""", kept["data"].toString())
            }
        }
}
