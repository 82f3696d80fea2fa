// The words of generated nicknames. Every adjective stands before every noun, so each was chosen to be harmless beside all
// the others: no bodies, food, fluids, ages, peoples or skin colours, nothing that sounds like an insult or an advance.
// nickname.test.ts counts them and screens all combinations.

const words = (text: string): string[] => text.trim().split(/\s+/);

/** The first word: a mood, a virtue, a place, a light. */
export const ADJECTIVES: readonly string[] = words(`
  Able Abundant Accurate Active Adaptable Adept Admirable Aerial Affable Agile Airborne Alert Alpine Amazing
  Amiable Amused Ancient Apt Arctic Ardent Artful Artistic Astral Astute Athletic Attentive August Autumn Avid
  Awake Aware Azure Balanced Balmy Beaming Beloved Benign Blissful Boreal Bountiful Brave Breezy Bright Brilliant
  Brisk Bubbly Buoyant Bustling Calm Candid Capable Carefree Careful Caring Celestial Central Certain Champion
  Charmed Charming Cheerful Cheery Chipper Chirpy Civil Classic Clever Coastal Cobalt Cogent Colorful Comic
  Composed Confident Content Coral Cordial Cosmic Courteous Cozy Crafty Creative Crystal Curious Dapper Daring
  Dashing Dauntless Dazzling Deft Dependable Devoted Diligent Diplomatic Distant Diurnal Dreamy Driven Durable
  Dutiful Dynamic Eager Early Earnest Earthy Eastern Ebullient Eclectic Elated Electric Elegant Eloquent Emerald
  Eminent Enchanted Endless Enduring Energetic Epic Equal Essential Eternal Ethereal Evergreen Exact Excellent
  Expert Exultant Fabled Fabulous Faithful Famed Famous Fancy Fearless Festive Fiery Final Fleet Floral Fluent
  Focused Forthright Fortunate Friendly Frosty Frugal Gallant Generous Genial Gentle Genuine Glacial Glad
  Gleaming Gleeful Global Glorious Glowing Golden Graceful Gracious Grand Grateful Great Guiding Gusty Happy
  Harmonic Hearty Heroic Highland Honest Honored Hopeful Humble Ideal Idyllic Illustrious Imaginative Incredible
  Indigo Infinite Ingenious Inspired Intrepid Inventive Ironclad Jaunty Jazzy Jolly Jovial Joyful Joyous Jubilant
  Keen Kind Kindly Laudable Laughing Lavender Leading Learned Legendary Leisurely Lilac Literary Lively Lofty
  Logical Loyal Lucid Lucky Luminous Lyric Magenta Magical Magnetic Majestic Marine Maritime Marvelous Masterful
  Matchless Meadow Mellow Memorable Merciful Merry Meteoric Mighty Mindful Modern Modest Musical Mystic Mythic
  Nautical Neat Neighborly Nimble Noble Northern Notable Noted Novel Oceanic Optimal Orbital Orderly Original
  Pacific Panoramic Pastel Patient Peaceful Perennial Perfect Pioneering Placid Pleasant Plucky Poetic Poised
  Polished Polite Positive Practical Precise Prime Pristine Proud Prudent Punctual Quaint Quiet Quirky Radiant
  Rapid Rare Real Reflective Regal Reliable Renowned Resilient Resolute Respectful Restful Rhythmic Rising
  Roaming Robust Rosy Royal Ruby Rugged Rural Rustic Safe Sage Sapphire Scenic Scholarly Seaside Secure Selfless
  Serene Shining Silent Sincere Skillful Smart Smiling Snowy Soaring Sociable Solid Sonic Sparkling Speedy
  Spirited Splendid Sporty Spring Spry Stalwart Starry Stately Steadfast Steady Stoic Stormy Strong Studious
  Sublime Summer Sunlit Sunny Superb Surefooted Swift Sylvan Tactful Talented Teal Tenacious Thankful Thoughtful
  Thrifty Thriving Tidal Tidy Timeless Timely Tireless Topaz Tranquil Traveling Triumphant Tropical True Trusted
  Trusty Truthful Turquoise Twilight Twinkling Ultimate Unique Upbeat Upright Urban Useful Valiant Valued Vast
  Verdant Vibrant Victorious Vigilant Violet Vivid Vocal Wandering Watchful Western Whimsical Wholesome Winged
  Winning Winter Witty Wondrous Woodland Worthy Zany Zealous Zesty Zippy
`);

/** The second word: an animal, a plant, a thing, a landscape. */
export const NOUNS: readonly string[] = words(`
  Amethyst Anchor Antelope Arch Armadillo Aspen Asteroid Atlas Avocet Axolotl Badger Bamboo Banjo Banner Barley
  Basil Beacon Begonia Bell Birch Bittern Bluebell Bluebird Bluejay Bobcat Bonfire Bonsai Bookmark Bridge Brook
  Bunting Butterfly Camera Canary Canoe Canvas Canyon Caracal Caravan Caribou Carousel Cascade Castle Catamaran
  Cedar Cello Chamois Chapter Chariot Cheetah Cicada Circuit Citadel Clarinet Cliff Clock Cloud Clover Coast
  Comet Compass Condor Constellation Cormorant Cornflower Cosmos Cottage Coyote Crane Crayon Creek Crocus Crown
  Curlew Cymbal Cypress Daffodil Dahlia Daisy Dandelion Deer Delta Desert Diamond Dolphin Dove Dragon Dragonfly
  Drum Dune Eagle Easel Echo Eclipse Egret Elk Elm Ember Equinox Estuary Falcon Fawn Fern Firefly Fjord Flamingo
  Flint Foxglove Galaxy Galleon Gannet Garden Garnet Gazelle Gecko Geranium Giraffe Glacier Glade Glider Globe
  Goldfinch Gondola Granite Grasshopper Grove Guitar Harbor Hare Harp Harpsichord Harrier Hawk Hawthorn Hazel
  Heath Heather Hedgehog Heron Hibiscus Hickory Highway Hollyhock Honeybee Horizon Horse Hummingbird Hyacinth
  Ibex Ibis Iceberg Iguana Impala Iris Island Ivy Jackdaw Jasmine Jasper Jay Journey Juniper Kayak Kingfisher
  Kite Koala Kookaburra Ladder Lake Lantern Lapwing Larch Lark Lathe Laurel Leaf Ledger Lemur Leopard Letter
  Library Lighthouse Lily Linnet Lion Lizard Locket Locomotive Loom Lotus Lupin Lynx Macaw Magnet Magnolia
  Mandolin Maple Marble Marigold Marimba Marmot Marten Mayfly Medal Meerkat Melody Merlin Meteor Mirror
  Mockingbird Mongoose Moon Moonstone Morning Mosaic Mountain Mulberry Narwhal Nebula Newt Nightingale Notebook
  Nova Oak Oasis Oboe Ocean Ocelot Onyx Orbit Orchard Oriole Osprey Ostrich Otter Outpost Owl Pagoda Painting
  Palace Panda Parade Parrot Pavilion Peak Pebble Pelican Pencil Penguin Peony Petrel Petunia Piano Pier Pine
  Pinnacle Plover Polaris Pond Poplar Porcupine Postcard Prairie Primrose Prism Puffin Puzzle Quail Quarry Quartz
  Quill Quilt Quokka Rainbow Raven Reef Reindeer Ribbon Ridge River Robin Rose Rowan Saffron Salamander Sandpiper
  Sapling Satellite Savanna Schooner Scooter Shore Signal Skylark Sleigh Snowdrop Snowflake Sonata Sparrow Spire
  Spruce Starfish Starling Station Steeple Stream Summit Sunbeam Sundial Sunflower Sunrise Sunset Swan Sycamore
  Symphony Tamarin Tambourine Tapestry Teapot Telescope Temple Tern Thistle Thrush Thunder Tiger Tortoise Toucan
  Trail Train Treasure Triangle Trolley Tulip Tundra Typewriter Ukulele Viaduct Village Vine Viola Violin Vista
  Vole Voyage Wagon Wallaby Walrus Warbler Wave Whale Wildcat Willow Windmill Wolf Wren Yacht Yarrow Zebra Zephyr
  Zinnia Zither
`);
