package dev.grandstand.samples

import dev.grandstand.client.FileStorage
import dev.grandstand.client.GrandstandClient
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.cancelChildren
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withTimeout
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNotNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.condition.EnabledIfEnvironmentVariable
import org.junit.jupiter.api.io.TempDir
import java.io.File
import java.util.concurrent.TimeUnit

private val url: String = System.getenv("GRANDSTAND_TEST_URL").orEmpty()
private val clientId: String = System.getenv("GRANDSTAND_TEST_CLIENT_ID").orEmpty()

/** Without the standard library, OkHttp and the rest. A suspending function is a class of two kilobytes. */
private const val LARGEST_JAR = 230_000

class PackageTest {
    private val home = File("..").canonicalFile

    @Test
    fun `the jars are small`() {
        for (module in listOf("client", "java", "livelike")) {
            val jars =
                home
                    .resolve(
                        "$module/target",
                    ).listFiles()
                    .orEmpty()
                    .filter { it.name.matches(Regex("grandstand-$module-[0-9.]+\\.jar")) }
            // `mvn test` alone makes none.
            for (jar in jars) {
                println("${jar.name}: ${jar.length()} bytes")
                assertTrue(jar.length() <= LARGEST_JAR, "${jar.name} has ${jar.length()} bytes")
            }
        }
    }

    @Test
    fun `the version is the server's`() {
        val version = Regex("\"version\": \"([^\"]+)\"").find(home.resolve("../package.json").readText())!!.groupValues[1]
        for (pom in listOf("pom.xml", "client/pom.xml", "java/pom.xml", "livelike/pom.xml", "samples/pom.xml")) {
            assertTrue("<version>$version</version>" in home.resolve(pom).readText(), pom)
        }
        assertTrue(":$version\")" in home.resolve("README.md").readText())
        assertTrue(":$version\")" in home.resolve("docs/from-livelike.md").readText())
    }
}

class ReadmeTest {
    private val home = File("..").canonicalFile

    private fun flat(text: String): String =
        text
            .lines()
            .map { it.trim() }
            .filter { it.isNotEmpty() }
            .joinToString("\n")

    @Test
    fun `what the README and the guides show is what is compiled here`() {
        val sources = home.resolve("samples/src").walk().filter { it.extension in setOf("kt", "java") }
        val compiled =
            (
                sources +
                    home
                        .resolve(
                            "livelike/src/test",
                        ).walk()
                        .filter { it.extension == "kt" }
            ).map { flat(it.readText()) }.toList()
        for (page in listOf(home.resolve("README.md")) + home.resolve("docs").listFiles().orEmpty()) {
            val shown =
                Regex(
                    "```(?:kotlin|java)\n(.*?)```",
                    RegexOption.DOT_MATCHES_ALL,
                ).findAll(page.readText()).map { it.groupValues[1] }
            for (block in shown.filterNot { "implementation(" in it }) {
                assertTrue(compiled.any { flat(block) in it }, "${page.name} shows what is compiled nowhere:\n$block")
            }
        }
    }
}

@EnabledIfEnvironmentVariable(named = "GRANDSTAND_TEST_URL", matches = ".+")
class SamplesTest {
    @TempDir lateinit var folder: File

    @Test
    fun `the walk of the README can be walked`(): Unit =
        runBlocking {
            val walk = Walk(clientId, url, folder)
            val fan = walk.start()
            assertEquals("Ada", walk.change(fan).nickname)
            walk.act(fan)
            walk.ask(fan)
            walk.rename(fan, "x".repeat(101))
            assertEquals(1, walk.shown.size)
            val following = launch(Dispatchers.Default) { walk.follow(fan) }
            val token = fan.accessToken!!
            val again = walk.resume("no-token") { token }
            assertEquals(fan.profile.value?.id, again.profile.value?.id)
            following.cancel()
            assertEquals(again.profile.value?.id, walk.configured().init().id)
            fan.signOut()
        }

    @Test
    fun `a repository shows the fan, and what went wrong`(): Unit =
        runBlocking(Dispatchers.Default) {
            val repository = FanRepository(GrandstandClient(clientId, url, FileStorage(folder)), this)
            val watching = launch { repository.state.collect { } }
            repository.start()
            val nickname = withTimeout(30_000) { repository.state.first { it.nickname != null } }.nickname
            repository.rename("Grace")
            withTimeout(30_000) { repository.state.first { it.nickname == "Grace" } }
            repository.rename("")
            assertNotNull(withTimeout(30_000) { repository.state.first { it.problem != null } }.problem)
            repository.voted("man-of-the-match")
            repository.onBackground()
            assertNotNull(nickname)
            watching.cancel()
            coroutineContext.cancelChildren()
        }

    @Test
    fun `Java has the same`() {
        val profile = JavaFan.start(clientId, url, folder).get(60, TimeUnit.SECONDS)
        assertEquals("Ada", profile.nickname)
    }
}
